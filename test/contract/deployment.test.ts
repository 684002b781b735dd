import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkSchema } from '../../src/contracts/check.ts';
import { deploymentSchema } from '../../src/contracts/deployment.ts';
import { planSchema } from '../../src/contracts/plan.ts';
import { writeDemoModel } from '../../src/demo/model.ts';
import { mmdeploy } from '../helpers/cli.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'mmdeploy-deployment-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const PLAN = ['plan', 'llava-1.5-7b', '--gpu', 'RTX 4090', '--target', 'compose'];

async function written(name: string, ...more: string[]): Promise<string> {
  const folder = join(root, name);
  const { code, stderr } = await mmdeploy([...PLAN, '--write', folder, ...more]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return folder;
}

/** Changes a written file as an operator would. */
function edit(file: string, from: string, to: string): void {
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(from);
  writeFileSync(file, text.replace(from, to));
}

describe('a model in the cache of the Hugging Face Hub', () => {
  it('is deployed by what its links lead to, and checked as it was', async () => {
    const hub = join(root, 'hub');
    const snapshot = join(hub, 'snapshots', 'rev');
    const blobs = join(hub, 'blobs');
    mkdirSync(snapshot, { recursive: true });
    const { model, mmproj } = await writeDemoModel(blobs);
    const argv = [model, mmproj].map((file) => {
      const link = join(snapshot, basename(file));
      symlinkSync(join('..', '..', 'blobs', basename(file)), link);
      return link;
    });
    const folder = join(root, 'linked');
    const [file = '', projector = ''] = argv;
    const made = await mmdeploy([
      ...['plan', file, '--mmproj', projector, '--gpu', 'none', '--write', folder],
      ...['--target', 'compose,systemd,quadlet', '--gateway'],
    ]);
    expect(made).toMatchObject({ code: 0 });
    const text = readFileSync(join(folder, 'compose.yaml'), 'utf8');
    expect(text).toContain(`source: ${model}\n        target: /models/${basename(model)}\n`);
    expect(text).not.toContain(`source: ${snapshot}`);
    const checked = await mmdeploy(['check', folder, '-o', 'json']);
    expect(checkSchema.parse(JSON.parse(checked.stdout)).drifted).toBe(false);
  });
});

describe('plan --target --write', () => {
  it('writes the files, the plan and a manifest of both, and prints each path and what to do', async () => {
    const folder = join(root, 'new', 'deep');
    const { code, stdout } = await mmdeploy([...PLAN, '--write', folder]);
    expect(code).toBe(0);
    expect(readdirSync(folder).sort()).toEqual(['compose.yaml', 'mmdeploy.json', 'plan.json']);
    for (const name of ['compose.yaml', 'plan.json']) expect(stdout).toContain(join(folder, name));
    expect(stdout).toMatch(/next: `cd .* && docker compose up --detach --wait`/);
    const manifest = deploymentSchema.parse(
      JSON.parse(readFileSync(join(folder, 'mmdeploy.json'), 'utf8')),
    );
    expect(manifest.files.map(({ path, bytes }) => ({ path, bytes }))).toEqual(
      ['compose.yaml', 'plan.json'].map((path) => ({
        path,
        bytes: statSync(join(folder, path)).size,
      })),
    );
    expect(manifest.command).toBe(
      `mmdeploy plan llava-1.5-7b --gpu 'RTX 4090' --target compose --write ${folder}`,
    );
  });

  it('writes a plan that the next command reads', async () => {
    const folder = await written('plan');
    const plan = planSchema.parse(JSON.parse(readFileSync(join(folder, 'plan.json'), 'utf8')));
    expect(plan.engine?.args).toContain('--model');
    expect(plan).not.toHaveProperty('deployment');
  });

  it('prints the files with --dry-run and writes nothing', async () => {
    const folder = join(root, 'never');
    const { code, stdout } = await mmdeploy([...PLAN, '--dry-run', '--write', folder]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^==> compose\.yaml <==\n# LLaVA/);
    expect(() => readdirSync(folder)).toThrow(/ENOENT/);
  });

  it('says in JSON what was written, beside the plan', async () => {
    const { stdout } = await mmdeploy([...PLAN, '--dry-run', '-o', 'json']);
    const { deployment } = planSchema.parse(JSON.parse(stdout));
    expect(deployment?.options).toMatchObject({ targets: ['compose'], shape: 'engine' });
  });

  it('replaces nothing without --force, and says what would have been', async () => {
    const folder = await written('twice');
    const same = await mmdeploy([...PLAN, '--write', folder]);
    expect(same.code).toBe(0);
    edit(join(folder, 'compose.yaml'), 'unless-stopped', 'always');
    const refused = await mmdeploy([...PLAN, '--write', folder]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/compose\.yaml` would be replaced \(deployment\.exists\)/);
    expect(refused.stderr).toMatch(/hint: see what differs: `mmdeploy check /);
    expect(readFileSync(join(folder, 'compose.yaml'), 'utf8')).toContain('restart: always');
    await mmdeploy([...PLAN, '--write', folder, '--force']);
    expect(readFileSync(join(folder, 'compose.yaml'), 'utf8')).toContain('unless-stopped');
  });

  it('keeps the manifest of other targets in the folder', async () => {
    const folder = await written('other');
    const argv = [...PLAN.slice(0, -1), 'systemd', '--write', folder];
    const { code, stderr } = await mmdeploy(argv);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/--target compose`/),
    });
    expect(stderr).toContain('`--target compose,systemd`');
    expect(readdirSync(folder).sort()).toEqual(['compose.yaml', 'mmdeploy.json', 'plan.json']);
    expect((await mmdeploy([...argv, '--force'])).code).toBe(0);
  });

  it.each([
    [['plan', 'gpt-4o', '--target', 'compose', '--dry-run'], 2, /runs at its vendor/],
    [['plan', 'internvl2-26b', '--gpu', 'RTX 4060', '--gpu-layers', 'all'], 3, /fit\.none/],
    [['plan', 'llava-1.5-7b', '--gpu', '24GiB'], 2, /which engine runs on `24GiB`/],
    [['plan', 'llava-1.5-7b', '--gpu', 'M2 Max 64GB'], 2, /containers on macOS/],
    [
      ['plan', 'qwen2.5-vl-7b', '--gpu', 'A100-80GB', '--engine', 'vllm', '--gateway'],
      2,
      /`--gateway` stands in front of llama\.cpp/,
    ],
  ])('refuses %j', async (argv, exit, message) => {
    const target = argv.includes('--target') ? [] : ['--target', 'compose', '--dry-run'];
    const { code, stdout, stderr } = await mmdeploy([...argv, ...target]);
    expect({ code, stderr }).toEqual({ code: exit, stderr: expect.stringMatching(message) });
    expect(stdout).not.toContain('==>');
    expect(stderr).toMatch(/\nhint: /);
  });
});

describe('who read a file', () => {
  it('names each reader that is not here, beside those that are', async () => {
    const argv = ['plan', 'llava-1.5-7b', '--gpu', 'RTX 4090', '--target', 'llama-server'];
    // No reader on PATH, and none below a home of its own.
    const { stdout } = await mmdeploy([...argv, '--write', join(root, 'unread')], {
      env: { HOME: join(root, 'home'), PATH: '/nonexistent' },
    });
    expect(stdout).toMatch(
      /llama-server\.sh {2}wiring; not read: shellcheck .* is not on this machine/,
    );
  });
});

describe('check', () => {
  it('is content with what was just written', async () => {
    const folder = await written('fresh');
    const { code, stdout } = await mmdeploy(['check', folder]);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/as the plan gives it\n$/),
    });
  });

  it('shows what was changed by hand, and exits with 8', async () => {
    const folder = await written('edited');
    edit(join(folder, 'compose.yaml'), '--parallel', '--paralel');
    const { code, stdout } = await mmdeploy(['check', folder, '-o', 'json']);
    expect(code).toBe(8);
    const report = checkSchema.parse(JSON.parse(stdout));
    const [compose] = report.files;
    expect(compose).toMatchObject({ path: 'compose.yaml', state: 'changed' });
    expect(compose?.differences).toEqual([
      expect.stringMatching(/^- \d+: +- --parallel$/),
      expect.stringMatching(/^\+ \d+: +- --paralel$/),
    ]);
    expect(report).toMatchObject({ drifted: true, planUnchanged: true });
  });

  it('misses a file that is gone', async () => {
    const folder = await written('gone');
    rmSync(join(folder, 'compose.yaml'));
    const { code, stdout } = await mmdeploy(['check', folder]);
    expect(code).toBe(8);
    expect(stdout).toMatch(/^missing {4}compose\.yaml/m);
  });

  it('sees that the plan itself was changed', async () => {
    const folder = await written('replanned');
    edit(join(folder, 'plan.json'), '"--flash-attn",', '"--flash-atn",');
    const { code, stdout } = await mmdeploy(['check', folder]);
    expect(code).toBe(8);
    expect(stdout).toMatch(/plan\.json is not the plan that the files were made from/);
    // What was written follows another plan than the one that lies beside it.
    expect(stdout).toMatch(/^outdated +compose\.yaml/m);
  });

  it.each([
    ['a folder without a manifest', (folder: string) => rmSync(join(folder, 'mmdeploy.json')), 5],
    ['a folder without its plan', (folder: string) => rmSync(join(folder, 'plan.json')), 5],
    [
      'a manifest with a target of another version',
      (folder: string) => edit(join(folder, 'mmdeploy.json'), '"compose"', '"teleport"'),
      2,
    ],
    [
      'a manifest that is none',
      (folder: string) => writeFileSync(join(folder, 'mmdeploy.json'), '{"schema": 1}'),
      2,
    ],
  ])('refuses %s', async (name, spoil, exit) => {
    const folder = await written(name.replaceAll(' ', '-'));
    spoil(folder);
    const { code, stderr } = await mmdeploy(['check', folder]);
    expect({ code, stderr }).toEqual({
      code: exit,
      stderr: expect.stringMatching(/^error: [^\n]*\n\nhint: .*(`mmdeploy plan|there are )/),
    });
  });
});
