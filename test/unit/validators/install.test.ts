import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { RunCommand, RunResult } from '../../../src/process/run.ts';
import { validatorsFolder } from '../../../src/validators/find.ts';
import { installValidators } from '../../../src/validators/install.ts';
import { installContext } from '../../helpers/engine.ts';

const root = mkdtempSync(join(tmpdir(), 'mmdeploy-validators-'));
afterAll(() => rmSync(root, { recursive: true }));

const answer = (code: number, stdout = '', stderr = ''): RunResult => ({
  code,
  stdout,
  stderr,
  outcome: 'exited',
});

it('says what a person installs instead where there is no Debian', async () => {
  const run: RunCommand = () => Promise.resolve({ ...answer(0), code: null, outcome: 'not-found' });
  const ctx = installContext(join(root, 'no-debian'), { run, platform: 'linux' });
  await expect(installValidators({ force: false }, ctx)).rejects.toMatchObject({
    code: 'tool.missing',
    message: expect.stringContaining('it is not Debian'),
    hints: [expect.stringContaining('docker-compose, podman, promtool, shellcheck')],
  });
});

it('leaves nothing half-done when the mirror does not answer', async () => {
  const run: RunCommand = (file, args) => {
    if (file === 'dpkg') return Promise.resolve(answer(0, 'amd64\n'));
    if (args.includes('indextargets')) {
      return Promise.resolve(answer(0, 'Debian|Debian|https://mirror.invalid/debian\n'));
    }
    if (file === 'apt-get') return Promise.resolve(answer(100, '', 'E: Unable to fetch'));
    throw new Error(`${file} was not to be run`);
  };
  const ctx = installContext(join(root, 'no-mirror'), { run, platform: 'linux' });
  await expect(installValidators({ force: false }, ctx)).rejects.toMatchObject({
    code: 'tool.missing',
  });
  expect(existsSync(validatorsFolder(ctx.folders.cache))).toBe(false);
  expect(readdirSync(ctx.folders.cache)).toEqual([]);
});
