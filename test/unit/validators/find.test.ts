import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runCommand } from '../../../src/process/run.ts';
import { findValidators, MANIFEST_FILE, validatorsFolder } from '../../../src/validators/find.ts';
import { atLeast } from '../../../src/validators/tools.ts';

const root = mkdtempSync(join(tmpdir(), 'mmdeploy-find-'));
afterAll(() => rmSync(root, { recursive: true }));

/** A program that prints one line, whatever it is asked. */
function program(folder: string, name: string, line: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\necho '${line}'\n`);
  chmodSync(path, 0o755);
  return path;
}

let machines = 0;
/** A machine with nothing but what is put on its PATH (`bin`) and into our prefix (`ours`). */
function machine() {
  const home = join(root, `m${machines++}`);
  const bin = join(home, 'bin');
  const cache = join(home, 'cache');
  const ours = join(validatorsFolder(cache), 'bin');
  const find = () =>
    findValidators({
      env: { PATH: [bin, '', join(home, 'absent')].join(delimiter), HOME: home },
      run: runCommand,
      folders: { cache },
    });
  return { home, bin, cache, ours, find };
}

describe('the readers that are found', () => {
  it('are the user’s own before ours', async () => {
    const { bin, ours, find } = machine();
    const path = program(bin, 'shellcheck', 'version: 0.9.0');
    program(ours, 'shellcheck', 'version: 0.11.0');
    const found = await find();
    expect(found.shellcheck).toEqual({
      name: 'shellcheck',
      path,
      version: '0.9.0',
      source: 'system',
    });
  });

  it('are ours where the user’s is too old, or is something else', async () => {
    const { bin, ours, find } = machine();
    // The first generation, in Python, as Debian 12 has it.
    program(bin, 'docker-compose', '1.29.2');
    program(bin, 'promtool', 'usage: promtool');
    program(ours, 'docker-compose', '2.40.3-3');
    program(ours, 'promtool', 'promtool, version 3.5.3+ds1 (branch: debian/sid)');
    const found = await find();
    expect(found['docker-compose']).toMatchObject({ version: '2.40.3-3', source: 'private' });
    expect(found.promtool).toMatchObject({ version: '3.5.3+ds1', source: 'private' });
  });

  it('may be plugins of Docker in the home folder', async () => {
    const { home, find } = machine();
    const path = program(join(home, '.docker/cli-plugins'), 'docker-compose', 'v2.39.1');
    // A machine that has it for all users shows that one.
    const found = (await find())['docker-compose'];
    expect([path, '/usr/libexec/docker/cli-plugins/docker-compose']).toContain(found?.path);
  });

  it('are null where there are none', async () => {
    const { find } = machine();
    const found = await find();
    expect(found.shellcheck).toBeNull();
    expect(found['kubernetes-api']).toBeNull();
  });

  it('of Kubernetes need the note of an install that was finished', async () => {
    const { cache, find } = machine();
    const folder = validatorsFolder(cache);
    mkdirSync(join(folder, 'kubernetes-api'), { recursive: true });
    expect((await find())['kubernetes-api']).toBeNull();
    const packages = { 'golang-k8s-api-dev': '0.36.4-1' };
    const note = {
      schema: 'mmdeploy.validators/v1',
      packages,
      installedAt: '2026-11-23T00:00:00Z',
    };
    writeFileSync(join(folder, MANIFEST_FILE), JSON.stringify(note));
    expect((await find())['kubernetes-api']).toMatchObject({ version: '0.36.4-1' });
  });
});

it.each([
  ['2.40.3-3', [2, 20, 2], true],
  ['2.20.2', [2, 20, 2], true],
  ['2.20.1', [2, 20, 2], false],
  ['2.9', [2, 20], false],
  ['1.29.2', [2, 20, 2], false],
  ['252', [250], true],
  ['3', [2, 40], true],
  ['5.8.6', [5], true],
  ['4.3.1', [5], false],
])('%s against %j: %s', (version, least, enough) => {
  expect(atLeast(version, least)).toBe(enough);
});
