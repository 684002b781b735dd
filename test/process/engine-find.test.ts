import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import type { UnusableEngine } from '../../src/contracts/engine.ts';
import { loadEngineCatalogue } from '../../src/engine/catalogue.ts';
import { missingRequired } from '../../src/engine/choose.ts';
import { findEngines } from '../../src/engine/find.ts';
import { MANIFEST_FILE } from '../../src/engine/installed.ts';
import { probeEngine } from '../../src/engine/probe.ts';
import type { ProbeDeps } from '../../src/engine/probe.ts';
import type { RunCommand } from '../../src/process/run.ts';
import { runCommand } from '../../src/process/run.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'mmdeploy-find-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** A script that answers as llama-server does, or misbehaves as `body` says. */
async function program(path: string, body: string): Promise<string> {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `#!/bin/sh\n${body}\n`);
  await chmod(file, 0o755);
  return file;
}

const ANSWERS = (build: number) => `case "$1" in
--version) echo "version: ${build} (abc1234)" >&2 ;;
--help) printf '%s\\n' '--host HOST   address' '--port PORT   port' ;;
--list-devices) printf '%s\\n' 'Available devices:' '  (none)' ;;
esac`;

function deps(overrides: Partial<ProbeDeps> = {}): ProbeDeps {
  return {
    run: runCommand,
    env: { PATH: '/usr/bin:/bin' },
    platform: process.platform,
    cacheFolder: join(root, 'cache'),
    now: () => new Date(),
    ...overrides,
  };
}

async function find(options: { env?: Record<string, string>; flag?: string } = {}) {
  const unusable: UnusableEngine[] = [];
  const engines = await findEngines({
    ...deps({ env: { PATH: '/nonexistent', ...options.env } }),
    flag: options.flag ?? null,
    cwd: root,
    dataFolder: join(root, 'data'),
    onUnusable: (engine) => unusable.push(engine),
  });
  return { engines, unusable };
}

describe('findEngines', () => {
  it('finds nothing on a machine without one', async () => {
    expect(await find()).toEqual({ engines: [], unusable: [] });
  });

  it('lists flag, environment, PATH and our own, in this order', async () => {
    await program('flagged', ANSWERS(1001));
    await program('named', ANSWERS(1002));
    await program('bin/llama-server', ANSWERS(1003));
    await program('data/engines/test-cpu/llama-server', ANSWERS(1004));
    await writeFile(
      join(root, 'data/engines/test-cpu', MANIFEST_FILE),
      JSON.stringify({
        ...{ schema: 'mmdeploy.installed-engine/v1', id: 'test-cpu', source: 'release' },
        ...{ accelerator: 'cpu', release: 'b1004', server: 'llama-server' },
        ...{ url: null, sha256: null, installedAt: '2026-01-01T00:00:00.000Z' },
      }),
    );
    // Half an install: no manifest.
    await program('data/engines/broken/llama-server', ANSWERS(1005));
    const { engines } = await find({
      flag: 'flagged',
      env: { MMDEPLOY_LLAMA_SERVER: 'named', PATH: `relative:${join(root, 'bin')}` },
    });
    expect(engines.map(({ build, source }) => `${build} ${source}`)).toEqual([
      '1001 flag',
      '1002 env',
      '1003 path',
      '1004 managed',
    ]);
  });

  it('lists one file once, under the first way that leads to it', async () => {
    const file = await program('bin/llama-server', ANSWERS(1003));
    await symlink(file, join(root, 'link'));
    const { engines } = await find({ flag: 'link', env: { PATH: join(root, 'bin') } });
    expect(engines).toHaveLength(1);
    expect(engines[0]).toMatchObject({ path: join(root, 'link'), source: 'flag' });
  });

  it('says which candidate cannot be used, and goes on', async () => {
    await program('bin/llama-server', ANSWERS(1003));
    const { engines, unusable } = await find({
      flag: 'missing/llama-server',
      env: { PATH: join(root, 'bin') },
    });
    expect(engines).toHaveLength(1);
    expect(unusable).toEqual([
      {
        path: join(root, 'missing/llama-server'),
        source: 'flag',
        reason: 'there is no such file',
      },
    ]);
  });
});

describe('probeEngine: programs that cannot be used', () => {
  const cases: [string, string, RegExp][] = [
    ['another program', 'echo "other 1.0"', /not print the version of a llama\.cpp program/],
    [
      'a sister program',
      'echo "version: 9000 (abc)"; echo "--model FILE   model"',
      /of llama\.cpp, but not llama-server/,
    ],
    [
      'a missing library',
      'echo "llama-server: error while loading shared libraries: libgomp.so.1: cannot open shared object file: No such file or directory" >&2; exit 127',
      /lacks a library: libgomp\.so\.1/,
    ],
    [
      'a C library that is too old',
      `echo "llama-server: /lib/x86_64-linux-gnu/libc.so.6: version \\\`GLIBC_2.38' not found (required by llama-server)" >&2; exit 1`,
      /lacks a library: version `GLIBC_2\.38' not found/,
    ],
    ['a failure', 'echo "no such flag" >&2; exit 3', /exit code 3: no such flag/],
    ['a crash', 'kill -SEGV $$', /crashed on `--version`/],
    ['silence', 'exec sleep 60', /did not answer `--version` within 0\.3 s/],
  ];

  it.each(cases)('%s', async (_, body, reason) => {
    const path = await program('llama-server', body);
    const timeoutMs = reason.source.includes('answer') ? 300 : 20_000;
    const probe = await probeEngine(path, deps({ timeoutMs }));
    expect(probe).toMatchObject({ kind: 'unusable', path });
    expect(probe.kind === 'unusable' && probe.reason).toMatch(reason);
  });

  it('a file without the executable bit', async () => {
    const path = await program('llama-server', ANSWERS(1));
    await chmod(path, 0o644);
    expect(await probeEngine(path, deps())).toMatchObject({
      reason: expect.stringMatching(/not executable/),
    });
  });

  it('a folder, a text, and a program for another processor', async () => {
    expect(await probeEngine(root, deps())).toMatchObject({ reason: 'it is not a file' });
    const text = join(root, 'text');
    await writeFile(text, 'a text that is long enough to hold a header', { mode: 0o755 });
    expect(await probeEngine(text, deps())).toMatchObject({ reason: 'it is not a program' });
    const node = await probeEngine(process.execPath, deps({ arch: 'riscv64' }));
    expect(node).toMatchObject({ reason: expect.stringMatching(/this machine is riscv64/) });
  });
});

describe('probeEngine: the cache', () => {
  function counting(): { run: RunCommand; calls: () => number } {
    let calls = 0;
    const run: RunCommand = (...args) => {
      calls += 1;
      return runCommand(...args);
    };
    return { run, calls: () => calls };
  }

  it('asks once while file, folder and device variables stay the same', async () => {
    const path = await program('bin/llama-server', ANSWERS(1003));
    const { run, calls } = counting();
    const first = await probeEngine(path, deps({ run }));
    const second = await probeEngine(path, deps({ run }));
    expect(calls()).toBe(3);
    expect(second).toEqual(first);
    await probeEngine(path, deps({ run, env: { CUDA_VISIBLE_DEVICES: '1' } }));
    expect(calls()).toBe(6);
  });

  it('asks again when the file changed, a backend appeared beside it, or ten minutes went by', async () => {
    const path = await program('bin/llama-server', ANSWERS(1003));
    const { run, calls } = counting();
    await probeEngine(path, deps({ run }));
    await program('bin/llama-server', ANSWERS(1004));
    const { mtimeMs } = await stat(path);
    await utimes(path, new Date(mtimeMs + 5000), new Date(mtimeMs + 5000));
    expect(await probeEngine(path, deps({ run }))).toMatchObject({ build: 1004 });
    const later = new Date(Date.now() + 60_000);
    await utimes(dirname(path), later, later);
    await probeEngine(path, deps({ run }));
    expect(calls()).toBe(9);
    await probeEngine(path, deps({ run, now: () => new Date(Date.now() + 11 * 60_000) }));
    expect(calls()).toBe(12);
  });

  it('works with a cache folder that cannot be written', async () => {
    const path = await program('bin/llama-server', ANSWERS(1003));
    await writeFile(join(root, 'cache'), 'a file where the folder should be');
    expect(await probeEngine(path, deps())).toMatchObject({ kind: 'engine', build: 1003 });
  });

  it('does not let LLAMA_ARG_* reach the engine', async () => {
    const path = await program(
      'llama-server',
      `[ -z "$LLAMA_ARG_PORT$LLAMA_API_KEY" ] || exit 9\n${ANSWERS(1003)}`,
    );
    const env = { PATH: '/usr/bin:/bin', LLAMA_ARG_PORT: '1', LLAMA_API_KEY: 'k' };
    expect(await probeEngine(path, deps({ env }))).toMatchObject({ kind: 'engine' });
  });
});

describe.skipIf(inject('llamaServer') === null)('probeEngine: a real llama-server', () => {
  const server = inject('llamaServer') ?? '';

  it('knows its version and build, and every flag of its own bash completion', async () => {
    const probe = await probeEngine(server, deps());
    if (probe.kind === 'unusable') throw new Error(probe.reason);
    const { stderr, stdout } = spawnSync(server, ['--version'], { encoding: 'utf8' });
    expect(`${stdout}${stderr}`).toContain(String(probe.build));
    const script = spawnSync(server, ['--completion-bash'], { encoding: 'utf8' }).stdout;
    const completed = /opts="([^"]*)"/.exec(script)?.[1]?.split(/\s+/).filter(Boolean) ?? [];
    expect(completed.length).toBeGreaterThan(100);
    // Removed flags are completed too, although they only end in an error.
    const gone = completed.filter((flag) => !probe.flags.includes(flag));
    const help = spawnSync(server, ['--help'], { encoding: 'utf8' }).stdout;
    for (const flag of gone) {
      const entry = help.slice(help.search(new RegExp(`^.*(^|[\\s,])${flag}([\\s,]|$)`, 'm')));
      expect(entry.slice(0, 200), flag).toContain('argument has been removed');
    }
    // It leaves out the forms that switch something off (`--no-mmproj`, `-nkvo`).
    const surplus = probe.flags.filter((flag) => !completed.includes(flag));
    expect(surplus.filter((flag) => !/^--?n/.test(flag))).toEqual([]);
  });

  it('has every flag of the catalogue when it is as new as the build that was read', async () => {
    const { llamaCpp } = await loadEngineCatalogue();
    const probe = await probeEngine(server, deps());
    if (probe.kind === 'unusable') throw new Error(probe.reason);
    expect(missingRequired(probe.flags, llamaCpp.requiredFlags)).toEqual([]);
    const { build } = probe;
    const known = llamaCpp.flags.filter(
      ({ since, seenIn }) => (build ?? 0) >= (since ?? seenIn ?? 0),
    );
    expect(known.length).toBeGreaterThan(0);
    expect(known.filter(({ flag }) => !probe.flags.includes(flag))).toEqual([]);
  });
});
