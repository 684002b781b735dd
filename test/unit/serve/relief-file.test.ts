import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readRelief, writeRelief } from '../../../src/serve/relief-file.ts';
import { temporaryFolder } from '../../helpers/serve-supervisor.ts';

const AT = new Date('2026-01-02T03:04:05Z');
const relief = { encoderOnCpu: true, imageMaxTokens: 512, slots: null };

test('comes back as it was written, privately and with nothing left beside it', async () => {
  const folder = join(temporaryFolder(), 'reliefs');
  const file = join(folder, 'a.json');
  await writeRelief(file, AT, 'some-model', { ...relief, imageMaxTokens: 1024 });
  await writeRelief(file, AT, 'some-model', relief);
  expect(await readRelief(file)).toEqual({
    schema: 'mmdeploy.relief/v1',
    at: AT.toISOString(),
    model: 'some-model',
    relief,
  });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['a.json']);
});

test('a missing file, another version, half a file: nothing is remembered', async () => {
  const folder = temporaryFolder();
  expect(await readRelief(join(folder, 'none.json'))).toBeNull();
  const other = join(folder, 'other.json');
  writeFileSync(other, JSON.stringify({ schema: 'mmdeploy.relief/v9', at: AT, relief }));
  expect(await readRelief(other)).toBeNull();
  writeFileSync(other, '{"schema": "mmdeploy.rel');
  expect(await readRelief(other)).toBeNull();
});

test('a folder in the way: the promise is rejected, and nothing is left', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'a.json');
  mkdirSync(file);
  chmodSync(folder, 0o755);
  await expect(writeRelief(file, AT, 'm', relief)).rejects.toThrow();
  expect(readdirSync(folder)).toEqual(['a.json']);
});
