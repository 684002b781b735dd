import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { openLogFile } from '../../../src/serve/supervisor/log-file.ts';
import { temporaryFolder } from '../../helpers/serve-supervisor.ts';

const line = (text: string) => Buffer.from(`${text}\n`);
const written = (path: string, text: string) =>
  vi.waitFor(() => expect(readFileSync(path, 'utf8')).toBe(text), { timeout: 10_000 });

test('a long run is cut between lines that are written at once, and two files are kept', async () => {
  const path = join(temporaryFolder(), 'logs', 'engine.log');
  const log = openLogFile(path, 10);
  for (const text of ['first line', 'second', 'third line', 'fourth']) log?.append(line(text));
  log?.close();
  await written(`${path}.1`, 'second\nthird line\n');
  await written(path, 'fourth\n');
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('what an earlier run left counts as well', async () => {
  const path = join(temporaryFolder(), 'engine.log');
  writeFileSync(path, 'a line of long ago\n');
  const log = openLogFile(path, 10);
  log?.append(line('today'));
  log?.close();
  await written(path, 'today\n');
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('a line of long ago\n');
});

test('a file that cannot be set aside goes on', async () => {
  const path = join(temporaryFolder(), 'engine.log');
  mkdirSync(`${path}.1`);
  const log = openLogFile(path, 1);
  log?.append(line('one'));
  log?.append(line('two'));
  log?.close();
  await written(path, 'one\ntwo\n');
});

test('a folder in its place: no log, and no error', () => {
  const folder = temporaryFolder();
  expect(openLogFile(folder)).toBeNull();
  expect(existsSync(`${folder}.1`)).toBe(false);
});
