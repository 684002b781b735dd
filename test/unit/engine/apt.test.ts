import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aptDownload, aptUpdate, createAptState } from '../../../src/engine/apt.ts';
import {
  debianMirrors,
  mirrorsFromSources,
  mirrorsFromTargets,
  parseSources,
} from '../../../src/engine/apt-sources.ts';
import type { DebianRecipe } from '../../../src/engine/catalogue.ts';
import { installDebian, versionOf } from '../../../src/engine/install-debian.ts';
import type { RunCommand, RunResult } from '../../../src/process/run.ts';
import { installContext } from '../../helpers/engine.ts';

let root = '';
let recipe: DebianRecipe;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'mmdeploy-apt-test-'));
  await writeFile(join(root, 'keyring.gpg'), '');
  recipe = {
    suite: 'forky',
    component: 'main',
    keyrings: [join(root, 'absent.gpg'), join(root, 'keyring.gpg')],
    architectures: ['amd64', 'arm64'],
    packages: ['llama.cpp-tools'],
    accelerators: { cpu: [], vulkan: ['libvulkan1'] },
  };
});
afterEach(() => rm(root, { recursive: true, force: true }));

const ok = (stdout = ''): RunResult => ({ code: 0, stdout, stderr: '', outcome: 'exited' });
const failed = (stderr: string): RunResult => ({
  code: 100,
  stdout: '',
  stderr,
  outcome: 'exited',
});
const absent: RunResult = { code: null, stdout: '', stderr: '', outcome: 'not-found' };

/** A machine on which each program answers as given; a call that is not expected fails the test. */
function machine(answers: Record<string, RunResult>): { run: RunCommand; calls: string[] } {
  const calls: string[] = [];
  const run: RunCommand = (file, args) => {
    const call = [file, ...args].join(' ');
    calls.push(call);
    const key = Object.keys(answers).find((name) => call.includes(name));
    if (key === undefined) return Promise.reject(new Error(`unexpected: ${call}`));
    return Promise.resolve(answers[key] ?? absent);
  };
  return { run, calls };
}

const install = (answers: Record<string, RunResult>, platform: NodeJS.Platform = 'linux') => {
  const { run, calls } = machine(answers);
  const ctx = installContext(root, { run, platform });
  return { done: installDebian({ recipe, accelerator: 'cpu', force: false }, ctx), calls };
};

const DEBIAN = {
  'dpkg --print-architecture': ok('amd64\n'),
  indextargets: ok('Debian|Debian|http://mirror.invalid/debian/\n'),
};
const RELEASE = [expect.stringContaining('`mmdeploy engine install release`')];

describe('where Debian’s packages cannot be had', () => {
  it.each<[string, Record<string, RunResult>, RegExp]>([
    ['no dpkg', { dpkg: absent }, /no dpkg and apt: it is not Debian/],
    ['another architecture', { dpkg: ok('riscv64\n') }, /never tried on riscv64/],
    [
      'a mirror that does not answer',
      {
        ...DEBIAN,
        ' update': failed('E: Failed to fetch http://mirror.invalid/ Connection failed'),
      },
      /could not read the package lists/,
    ],
    [
      'a signature by another key',
      {
        ...DEBIAN,
        ' update': failed('E: The repository is not signed. NO_PUBKEY 6ED0E7B82643E131'),
      },
      /could not read the package lists/,
    ],
    [
      'a suite without the packages',
      {
        ...DEBIAN,
        ' update': ok(),
        ' download': failed('E: Unable to locate package llama.cpp-tools'),
      },
      /could not download the packages/,
    ],
  ])('%s: the reason and the next step', async (_, answers, message) => {
    await expect(install(answers).done).rejects.toMatchObject({
      code: 'engine.install',
      message: expect.stringMatching(message),
      hints: RELEASE,
    });
  });

  it('tells apt’s own words', async () => {
    const answers = { ...DEBIAN, ' update': failed('W: warning\nE: NO_PUBKEY 6ED0\nnoise') };
    await expect(install(answers).done).rejects.toMatchObject({
      details: ['W: warning', 'E: NO_PUBKEY 6ED0'],
    });
  });

  it('macOS', async () => {
    await expect(install({}, 'darwin').done).rejects.toMatchObject({ hints: RELEASE });
  });

  it('no archive keys, as on Ubuntu', async () => {
    recipe = { ...recipe, keyrings: [join(root, 'absent.gpg')] };
    await expect(install(DEBIAN).done).rejects.toMatchObject({
      message: expect.stringMatching(/archive keys are not on this system .*absent\.gpg/),
      hints: RELEASE,
    });
  });

  it('an accelerator without packages', async () => {
    const ctx = installContext(root, { run: machine({}).run });
    await expect(
      installDebian({ recipe, accelerator: 'cuda', force: false }, ctx),
    ).rejects.toMatchObject({ message: expect.stringMatching(/`cuda` \(known: cpu, vulkan\)/) });
  });
});

describe('aptUpdate', () => {
  const EXPIRED = failed('E: Release file for http://m/InRelease is expired (invalid since 3d).');

  async function state() {
    return createAptState(
      join(root, 'state'),
      { uri: 'http://m/debian', keyring: '/k.gpg', architecture: 'arm64' },
      recipe,
    );
  }

  it('accepts an expired Release file on a second try, with a notice', async () => {
    const { run, calls } = machine({ 'Check-Valid-Until=false update': ok(), ' update': EXPIRED });
    const notices: string[] = [];
    const ctx = installContext(root, { run, notice: (line) => notices.push(line) });
    await aptUpdate(await state(), ctx);
    expect(calls).toHaveLength(2);
    expect(notices).toEqual([expect.stringMatching(/past its date.*signature is still checked/)]);
  });

  it('never switches the date check off for another failure', async () => {
    const { run, calls } = machine({ ' update': failed('E: NO_PUBKEY 6ED0') });
    await expect(aptUpdate(await state(), installContext(root, { run }))).rejects.toThrow();
    expect(calls).toHaveLength(1);
  });

  it('keeps apt away from the system’s state', async () => {
    const { config } = await state();
    const text = await readFile(config, 'utf8');
    for (const folder of ['lists', 'cache', 'status', 'sources.list']) {
      expect(text).toContain(`"${join(root, 'state', folder)}"`);
    }
    expect(text).toContain('#clear APT::Update::Post-Invoke;');
    const line = await readFile(join(root, 'state/sources.list'), 'utf8');
    expect(line).toBe(
      'deb [arch=arm64 signed-by=/k.gpg target=Packages lang=none] http://m/debian forky main\n',
    );
  });

  it('refuses a folder whose name apt cannot be told', async () => {
    const source = { uri: 'http://m/debian', keyring: '/k.gpg', architecture: 'amd64' };
    await expect(createAptState(join(root, 'a"b'), source, recipe)).rejects.toMatchObject({
      code: 'engine.install',
      hints: expect.arrayContaining([expect.stringContaining('XDG_DATA_HOME')]),
    });
  });

  it('is interrupted by Ctrl-C', async () => {
    const run: RunCommand = () =>
      Promise.resolve({ code: null, stdout: '', stderr: '', outcome: 'aborted' });
    const ctx = installContext(root, { run });
    await expect(aptDownload(await state(), ['a'], join(root, 'debs'), ctx)).rejects.toMatchObject({
      code: 'interrupted',
    });
  });
});

describe('the machine’s own mirror', () => {
  it('is Debian’s main archive among those that apt knows', () => {
    const text = [
      'Debian|Debian-Security|http://m/debian-security/',
      'Node Source|Node Source|https://other/node_20.x/',
      'Debian|Debian|http://m/debian/',
      'Debian|Debian Backports|http://m/debian/',
      '',
    ].join('\n');
    expect(mirrorsFromTargets(text)).toEqual(['http://m/debian/']);
  });

  it('is read from the source files while apt’s lists are empty', async () => {
    await mkdir(join(root, 'etc/sources.list.d'), { recursive: true });
    await writeFile(
      join(root, 'etc/sources.list.d/debian.sources'),
      [
        'Types: deb',
        '# http://snapshot.invalid/archive/debian/20250520T000000Z',
        'URIs: http://m/debian',
        'Suites: bookworm bookworm-updates',
        'Components: main',
        '',
        'Types: deb',
        'URIs: http://m/debian-security',
        'Suites: bookworm-security',
        'Components: main',
        '',
      ].join('\n'),
    );
    const { run } = machine({ indextargets: ok('') });
    expect(await debianMirrors(run, {}, join(root, 'etc'))).toEqual(['http://m/debian']);
  });

  it.each([
    ['a deb line', 'deb http://m/debian bookworm main contrib', ['http://m/debian']],
    ['options', 'deb [arch=amd64 signed-by=/k] http://m/debian trixie main', ['http://m/debian']],
    ['a comment', '# deb http://m/debian bookworm main', []],
    ['deb-src', 'deb-src http://m/debian bookworm main', []],
    ['a CD', 'deb cdrom:[Debian]/ bookworm main', []],
    ['security only', 'deb http://m/debian-security bookworm-security main', []],
    [
      'another vendor with Debian’s suite first',
      'deb https://vendor/apt bookworm main\ndeb http://m/debian/ bookworm main',
      ['http://m/debian/', 'https://vendor/apt'],
    ],
    [
      'a mirror list, as in cloud images',
      'Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: trixie\nComponents: main',
      ['mirror+file:///etc/apt/mirrors/debian.list'],
    ],
    ['a folded field', 'Types: deb\nURIs:\n http://m/debian\nSuites: sid\n', ['http://m/debian']],
    ['a disabled stanza', 'Enabled: no\nTypes: deb\nURIs: http://m/debian\nSuites: sid\n', []],
    ['sources only', 'Types: deb-src\nURIs: http://m/debian\nSuites: sid\n', []],
  ])('%s', (_, text, expected) => {
    expect(mirrorsFromSources(parseSources(text))).toEqual(expected);
  });

  it('is not looked for any further when there is none', async () => {
    const { run } = machine({ indextargets: failed('E: broken') });
    expect(await debianMirrors(run, {}, join(root, 'empty'))).toEqual([]);
  });
});

it('versionOf reads an epoch', () => {
  expect(
    versionOf(
      ['/a/llama.cpp-tools-extra_1_amd64.deb', '/a/llama.cpp-tools_1%3a0.7.0+dfsg-2_amd64.deb'],
      'llama.cpp-tools',
    ),
  ).toBe('1:0.7.0+dfsg-2');
});
