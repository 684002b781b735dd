import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { engineInstallSchema, engineListSchema } from '../../src/contracts/engine.ts';
import type { Gpu } from '../../src/contracts/machine.ts';
import { loadEngineCatalogue } from '../../src/engine/catalogue.ts';
import { installAuto } from '../../src/engine/install-auto.ts';
import { MANIFEST_FILE } from '../../src/engine/installed.ts';
import type { RunCommand } from '../../src/process/run.ts';
import type { Context } from '../../src/workflows/context.ts';
import { ensureEngine, installEngine } from '../../src/workflows/engine-install.ts';
import {
  enginePath,
  listEngines,
  requireGpuEngine,
  selectEngine,
} from '../../src/workflows/engine.ts';
import { installContext } from '../helpers/engine.ts';
import { loopback, releaseArchive, serveFile, sha256 } from '../helpers/engine-archive.ts';

const { llamaCpp } = await loadEngineCatalogue();
const REQUIRED = llamaCpp.requiredFlags;
// Those that are warned of where they are missing.
const OPTIONAL = llamaCpp.flags
  .filter(({ without }) => without !== undefined)
  .map(({ flag }) => flag);

let root = '';
let notices: string[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'mmdeploy-workflow-'));
  notices = [];
});
afterEach(() => rm(root, { recursive: true, force: true }));

function context(env: Record<string, string> = {}, overrides: Partial<Context> = {}): Context {
  const base = installContext(root, { notice: (line) => notices.push(line) });
  return {
    ...base,
    trace: () => undefined,
    stdin: null,
    cwd: root,
    env: { ...base.env, PATH: '/nonexistent', MMDEPLOY_LLAMA_SERVER: undefined, ...env },
    ...overrides,
  };
}

type Answers = { build?: number; flags?: readonly string[]; devices?: readonly string[] };

async function server(path: string, answers: Answers = {}): Promise<string> {
  const { build = 11669, flags = [...REQUIRED, ...OPTIONAL], devices = ['(none)'] } = answers;
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  const lines = (texts: readonly string[]) => texts.map((text) => `  echo '${text}'`).join('\n');
  await writeFile(
    file,
    [
      '#!/bin/sh',
      `case "$1" in`,
      `--version) echo 'version: ${build} (abc1234)' ;;`,
      `--help)\n${lines(flags.map((flag) => `${flag} X   text`))} ;;`,
      `--list-devices)\n${lines(['Available devices:', ...devices.map((text) => `  ${text}`)])} ;;`,
      'esac',
    ].join('\n'),
  );
  await chmod(file, 0o755);
  return file;
}

const GPU: Gpu = {
  id: 'gpu0',
  vendor: 'nvidia',
  name: 'NVIDIA GeForce RTX 4090',
  uuid: null,
  pciId: null,
  memoryKind: 'dedicated',
  totalBytes: null,
  freeBytes: null,
  backend: 'cuda',
  driverVersion: null,
  runtimeVersion: '12.8',
  computeCapability: '8.9',
  mig: null,
  source: 'test',
};
const CUDA = 'CUDA0: NVIDIA GeForce RTX 4090 (24080 MiB, 23600 MiB free)';

describe('selectEngine', () => {
  it('says how to get one when there is none', async () => {
    await expect(selectEngine(context(), { flag: null, gpus: [] })).rejects.toMatchObject({
      code: 'engine.not-found',
      exitCode: 5,
      hints: expect.arrayContaining([expect.stringContaining('`mmdeploy engine install`')]),
    });
  });

  it('tells the flags of the one it takes, with no warning about an engine that has them all', async () => {
    const path = await server('bin/llama-server');
    const selected = await selectEngine(context({ PATH: join(root, 'bin') }), {
      flag: null,
      gpus: [],
    });
    expect(selected).toMatchObject({ engine: { path }, verdict: 'ready', warnings: [] });
    expect(selected.flags).toEqual([...REQUIRED, ...OPTIONAL].sort());
  });

  it('refuses a broken engine that was named, although another would do', async () => {
    await server('bin/llama-server');
    const ctx = context({ PATH: join(root, 'bin'), MMDEPLOY_LLAMA_SERVER: 'gone' });
    await expect(selectEngine(ctx, { flag: null, gpus: [] })).rejects.toMatchObject({
      code: 'engine.not-found',
      message: expect.stringMatching(/gone \(from MMDEPLOY_LLAMA_SERVER\) .*no such file/),
    });
  });

  it('refuses an old build, and a build without what every plan needs', async () => {
    const old = await server('old', { build: llamaCpp.minBuild - 1 });
    await expect(selectEngine(context(), { flag: old, gpus: [] })).rejects.toMatchObject({
      code: 'engine.too-old',
      exitCode: 6,
      message: expect.stringContaining(`build ${llamaCpp.minBuild - 1}`),
      hints: [expect.stringContaining('mmdeploy engine install --force')],
    });
    const flags = REQUIRED.filter((flag) => flag !== '--mmproj');
    const bare = await server('bare', { flags });
    await expect(selectEngine(context(), { flag: bare, gpus: [] })).rejects.toMatchObject({
      code: 'engine.too-old',
      message: expect.stringMatching(/does not know `--mmproj`$/),
    });
  });

  it('uses an older build without what it lacks, one line each', async () => {
    const path = await server('llama-server', { build: 6000, flags: REQUIRED });
    const { warnings } = await selectEngine(context(), { flag: path, gpus: [] });
    expect(warnings).toHaveLength(OPTIONAL.length);
    expect(warnings[0]).toMatch(
      /^this llama-server \(build 6000\) has no `--fit`: it does not check/,
    );
  });

  it('warns of an engine without the GPU; serving with it is refused with the next commands', async () => {
    const path = await server('llama-server');
    const selected = await selectEngine(context(), { flag: path, gpus: [GPU] });
    expect(selected.verdict).toBe('cpu-only');
    expect(selected.warnings[0]).toMatch(
      /does not show the GPU \(NVIDIA GeForce RTX 4090\).*`mmdeploy engine install`/,
    );
    expect(() => requireGpuEngine(selected)).toThrow(
      expect.objectContaining({
        code: 'engine.no-gpu',
        exitCode: 6,
        hints: [
          expect.stringContaining('`mmdeploy engine install`, and leave `--llama-server` out'),
          expect.stringContaining('--gpu none'),
        ],
      }),
    );
    const cuda = await server('cuda', { devices: [CUDA] });
    const ready = await selectEngine(context(), { flag: cuda, gpus: [GPU] });
    expect(() => requireGpuEngine(ready)).not.toThrow();
  });

  it('enginePath is its path', async () => {
    const path = await server('llama-server');
    expect(await enginePath(context(), 'llama-server')).toBe(path);
  });
});

it('listEngines lists the usable, the unusable and the choice, as its contract says', async () => {
  const cpu = await server('bin/llama-server');
  const gpu = await server('other/llama-server', { devices: [CUDA] });
  await server('bad/llama-server', { build: 0 });
  await writeFile(join(root, 'bad/llama-server'), '#!/bin/sh\nexit 1\n');
  const PATH = ['bin', 'bad', 'other'].map((name) => join(root, name)).join(':');
  const list = await listEngines(context({ PATH }), { flag: null, gpus: [GPU] });
  expect(engineListSchema.parse(list)).toEqual(list);
  expect(list.engines.map(({ path }) => path)).toEqual([cpu, gpu]);
  expect(list.unusable).toMatchObject([{ source: 'path' }]);
  expect(list.choice).toMatchObject({ kind: 'ready', engine: { path: gpu } });
});

describe('installEngine', () => {
  const request = {
    source: 'auto' as const,
    ...{ gpus: [], accelerator: null, build: null, url: null, sha256: null, force: false },
  };
  const none: RunCommand = (file) =>
    Promise.reject(new Error(`nothing should be started, but ${file} was`));

  it('auto is content with an engine that is there', async () => {
    const path = await server('bin/llama-server');
    const result = await installEngine(request, context({ PATH: join(root, 'bin') }));
    expect(engineInstallSchema.parse(result)).toEqual(result);
    expect(result).toMatchObject({ installed: false, path });
    expect(notices).toEqual([]);
  });

  it('release takes the archive of `--url`, and ensureEngine finds it', async () => {
    const help = [...REQUIRED, ...OPTIONAL].map((flag) => `echo '${flag} X   text'`).join('\n');
    const script = `#!/bin/sh\n[ "$1" = --version ] && echo 'version: 11541 (abc)'\n${help}\n`;
    const archive = await releaseArchive(join(root, 'work'), script);
    const web = await loopback(serveFile(archive));
    try {
      const url = `${web.url}/engine.tar.gz`;
      const asked = { ...request, source: 'release' as const, url, sha256: sha256(archive) };
      const result = await installEngine(asked, context());
      expect(engineInstallSchema.parse(result)).toEqual(result);
      expect(result).toMatchObject({ installed: true, source: 'release', accelerator: 'cpu' });
      const selected = await ensureEngine(context(), { flag: null, gpus: [] });
      expect(selected.engine).toMatchObject({ path: result.path, source: 'managed', build: 11541 });
    } finally {
      await web.close();
    }
  });

  it('refuses archive options for Debian’s packages', async () => {
    const mixed = { ...request, source: 'debian' as const, build: 9000 };
    await expect(installEngine(mixed, context({}, { run: none }))).rejects.toMatchObject({
      code: 'usage.invalid',
    });
  });

  it('ensureEngine installs nothing when the one that was named is broken', async () => {
    const query = { flag: join(root, 'gone'), gpus: [] };
    await expect(ensureEngine(context({}, { run: none }), query)).rejects.toMatchObject({
      code: 'engine.not-found',
    });
  });
});

describe('installAuto', () => {
  /** `debian` as if it were installed: the installer finds it and asks nothing of apt. */
  async function debianInstalled(accelerator: string, devices: readonly string[]): Promise<string> {
    const folder = join(context().folders.data, 'engines', `debian-${accelerator}`);
    const path = await server(
      join('data/mmdeploy/engines', `debian-${accelerator}`, 'llama-server'),
      {
        devices,
      },
    );
    await writeFile(
      join(folder, MANIFEST_FILE),
      JSON.stringify({
        ...{ schema: 'mmdeploy.installed-engine/v1', id: `debian-${accelerator}`, accelerator },
        ...{ source: 'debian', release: '1', server: 'llama-server', url: null, sha256: null },
        installedAt: '2026-01-01T00:00:00.000Z',
      }),
    );
    return path;
  }

  async function offline(gpus: readonly Gpu[]) {
    const web = await loopback(() => undefined);
    await web.close();
    const release = { ...llamaCpp.release, url: `${web.url}/{tag}/{file}` };
    const debian = { ...llamaCpp.debian, keyrings: [join(root, 'keyring')] };
    await writeFile(join(root, 'keyring'), '');
    const ctx = context();
    const run: RunCommand = (file, args, options) => {
      if (file === 'dpkg') {
        return Promise.resolve({ code: 0, stdout: 'amd64\n', stderr: '', outcome: 'exited' });
      }
      if (file === 'apt-get') {
        const stdout = 'Debian|Debian|http://mirror.invalid/debian\n';
        const code = args.includes('indextargets') ? 0 : 100;
        return Promise.resolve({ code, stdout, stderr: 'E: no route', outcome: 'exited' });
      }
      return ctx.run(file, args, options);
    };
    return installAuto(
      {
        catalogue: { ...llamaCpp, release, debian },
        ...{ gpus, arch: 'x64', debian: true, accelerator: null, force: false },
      },
      { ...ctx, platform: 'linux', run },
    );
  }

  it('turns to Debian once the release server cannot be reached, and says so in one line', async () => {
    const path = await debianInstalled('vulkan', [
      'Vulkan0: NVIDIA GeForce RTX 4090 (24080 MiB, 1 MiB free)',
    ]);
    const { engine } = await offline([GPU]);
    expect(engine.path).toBe(path);
    const failures = notices.filter((line) => line.includes('did not work'));
    expect(failures).toEqual([
      expect.stringMatching(
        /^llama\.cpp \(release, cuda\) did not work: cannot download .*ECONNREFUSED/,
      ),
    ]);
  });

  it('ends with an engine that shows no GPU rather than none, and says so', async () => {
    const path = await debianInstalled('vulkan', ['(none)']);
    const { engine, why } = await offline([GPU]);
    expect(engine.path).toBe(path);
    expect(why).toMatch(/shows no GPU here/);
  });

  it('throws the last failure when nothing can be had', async () => {
    await expect(offline([])).rejects.toMatchObject({ code: 'engine.download' });
    expect(notices.filter((line) => line.includes('did not work'))).toHaveLength(2);
  });
});
