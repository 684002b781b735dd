import { spawnSync } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readlink, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadEngineCatalogue } from '../../src/engine/catalogue.ts';
import type { DebianRecipe } from '../../src/engine/catalogue.ts';
import type { InstallContext } from '../../src/engine/install-context.ts';
import { installDebian } from '../../src/engine/install-debian.ts';
import type { InstalledEngine } from '../../src/engine/installed.ts';
import { findEngines } from '../../src/engine/find.ts';
import type { RunCommand } from '../../src/process/run.ts';
import { runCommand } from '../../src/process/run.ts';
import { debianMirrorAnswers, installContext } from '../helpers/engine.ts';

const { llamaCpp } = await loadEngineCatalogue();
const recipe: DebianRecipe = llamaCpp.debian;
const request = { recipe, accelerator: 'cpu', force: false };

/** Every program that an install started, by name and first words. */
function recorder(inner: RunCommand = runCommand): { run: RunCommand; calls: string[] } {
  const calls: string[] = [];
  const run: RunCommand = (file, args, options) => {
    calls.push([file, ...args].join(' '));
    return inner(file, args, options);
  };
  return { run, calls };
}

const updates = (calls: readonly string[]) => calls.filter((call) => / update$/.test(call)).length;

const possible = await debianMirrorAnswers(recipe.suite);

describe.skipIf(!possible)('engine install debian, for real', () => {
  let root = '';
  let engine: InstalledEngine;
  let ctx: InstallContext;
  const both = recorder();

  beforeAll(async () => {
    // Spaces and other letters in the home folder are ordinary.
    root = await mkdtemp(join(tmpdir(), 'mmdeploy déb ian-'));
    ctx = installContext(root);
    // Left by an install that was killed: its folder, and its lock, silent for two minutes.
    const engines = join(ctx.folders.data, 'engines');
    await mkdir(join(engines, '.staging-debian-cpu-dead/usr'), { recursive: true });
    const lock = join(engines, '.lock-debian-cpu');
    await writeFile(lock, '1 another-host');
    const past = new Date(Date.now() - 120_000);
    await utimes(lock, past, past);
    // Two at once: one takes over the dead one's lock and the other waits for it.
    const { run, calls } = both;
    const [first, second] = await Promise.all([
      installDebian(request, { ...ctx, run }),
      installDebian(request, { ...ctx, run }),
    ]);
    expect(second.path).toBe(first.path);
    expect(updates(calls)).toBe(1);
    engine = first;
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  const ask = (file: string, ...args: string[]) =>
    spawnSync(file, args, { encoding: 'utf8', env: {}, timeout: 30_000 });

  it('answers --version and finds its CPU backends', () => {
    const version = ask(engine.path, '--version');
    expect(`${version.stdout}${version.stderr}`).toMatch(/^version: \S+ \(build \d+/m);
    expect(ask(engine.path, '--list-devices').stdout).toMatch(/Available devices:\s+\(none\)/);
    const bench = ask(join(dirname(engine.path), 'llama-bench'), '--list-devices');
    expect(`${bench.stdout}${bench.stderr}`).toContain('loaded CPU backend');
  });

  it('brings the sister programs that plans and tests use', () => {
    for (const name of ['llama-tokenize', 'llama-quantize', 'llama-fit-params']) {
      const { status, stderr } = ask(join(dirname(engine.path), name), '--help');
      expect(stderr, name).not.toContain('shared libraries');
      expect(status, name).not.toBe(127);
    }
  });

  it('is found as ours', async () => {
    const found = await findEngines({
      ...ctx,
      env: { PATH: '/nonexistent' },
      cacheFolder: null,
      cwd: root,
      dataFolder: ctx.folders.data,
    });
    expect(found).toMatchObject([{ path: engine.path, source: 'managed', devices: [] }]);
  });

  it('leaves nothing but the engine, links relative', async () => {
    const folder = dirname(engine.folder);
    expect(await readdir(folder)).toEqual(['debian-cpu']);
    const programs = dirname(engine.path);
    const names = await readdir(programs);
    expect(names).not.toContain('patchelf');
    const links = names.filter((name) => name.startsWith('libggml-'));
    expect(links.length).toBeGreaterThan(1);
    for (const name of links) {
      expect((await lstat(join(programs, name))).isSymbolicLink()).toBe(true);
      expect(await readlink(join(programs, name))).toMatch(/^\.\.\//);
    }
  });

  it('is not downloaded again', async () => {
    const { run, calls } = recorder();
    const again = await installDebian(request, { ...ctx, run });
    expect(again).toMatchObject({ path: engine.path, fresh: false });
    expect(updates(calls)).toBe(0);
  });

  it('keeps the old engine when a forced one fails half-way', async () => {
    const run: RunCommand = async (file, args, options) => {
      const answer = (code: number, stderr = '') =>
        ({ code, stdout: '', stderr, outcome: 'exited' }) as const;
      if (file === 'dpkg-deb') return answer(2, 'dpkg-deb: error: No space left on device');
      if (file !== 'apt-get' || args.includes('indextargets')) {
        return runCommand(file, args, options);
      }
      if (args.includes('download')) await writeFile(join(options.cwd ?? '', 'a_1_all.deb'), '');
      return answer(0);
    };
    const forced = installDebian({ ...request, force: true }, { ...ctx, run });
    await expect(forced).rejects.toMatchObject({
      code: 'engine.install',
      details: [expect.stringContaining('No space left')],
    });
    expect(await readdir(dirname(engine.folder))).toEqual(['debian-cpu']);
    expect(ask(engine.path, '--version').status).toBe(0);
  });
});

it.skipIf(!possible)('leaves nothing after Ctrl-C', async () => {
  const root = await mkdtemp(join(tmpdir(), 'mmdeploy-debian-'));
  try {
    const abort = new AbortController();
    const ctx = installContext(root, {
      signal: abort.signal,
      progress: (state) => {
        if (state?.label === 'unpacking') abort.abort();
      },
    });
    await expect(installDebian(request, ctx)).rejects.toMatchObject({ code: 'interrupted' });
    expect(await readdir(join(ctx.folders.data, 'engines'))).toEqual([]);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
