import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeFolder, makeFolderSync } from '../../../src/process/make-folder.ts';

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-folder-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const makers = [
  ['makeFolder', makeFolder],
  ['makeFolderSync', (path: string) => Promise.resolve().then(() => makeFolderSync(path))],
] as const;

describe.each(makers)('%s', (_name, make) => {
  test('makes what is missing above it, for this user only; once more is no error', async () => {
    const folder = join(temporary(), 'a', 'b', 'c');
    await make(folder);
    await make(folder);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test('a file in the way is the system’s error', async () => {
    const file = join(temporary(), 'file');
    writeFileSync(file, '');
    await expect(make(join(file, 'a'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  // Node's recursive mkdir never comes back from there.
  test.runIf(process.platform === 'linux')('where nothing can be made it says so', async () => {
    await expect(make('/proc/no/such/folder')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
