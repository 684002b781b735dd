import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeFiles } from '../../../src/deploy/write.ts';
import { fileFault } from '../../../src/errors.ts';
import { temporaryFolder } from '../../helpers/serve-supervisor.ts';

describe('writing the files of a deployment', () => {
  it('makes folders that everyone may enter, and scripts that run', async () => {
    const folder = join(temporaryFolder(), 'new', 'deep');
    await writeFiles(folder, [{ path: 'a/start.sh', text: 'a', executable: true }]);
    // What the umask leaves of it.
    const allowed = join(folder, 'allowed');
    mkdirSync(allowed, { mode: 0o755 });
    const modes = ['.', 'a', 'a/start.sh', 'allowed'].map(
      (path) => statSync(join(folder, path)).mode,
    );
    expect(new Set(modes.map((mode) => mode & 0o777)).size).toBe(1);
  });

  it('replaces none where one of them cannot be written, and leaves nothing behind', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'first'), 'old');
    writeFileSync(join(folder, 'file'), '');
    const files = [
      { path: 'first', text: 'new' },
      { path: 'file/second', text: 'new' },
    ];
    await expect(writeFiles(folder, files)).rejects.toMatchObject({
      code: 'system.refused',
      message: `cannot write \`${join(folder, 'file', 'second')}\`: a file stands where a folder is needed`,
    });
    expect(readdirSync(folder).sort()).toEqual(['file', 'first']);
    expect(readFileSync(join(folder, 'first'), 'utf8')).toBe('old');
  });

  it('leaves no part behind where one cannot take the place of what is there', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'first'));
    const files = ['first', 'second'].map((path) => ({ path, text: 'new' }));
    await expect(writeFiles(folder, files)).rejects.toThrow(/first`: it is a folder$/);
    expect(readdirSync(folder)).toEqual(['first']);
  });

  it.skipIf(process.platform !== 'linux')('ends where no folder can be made', async () => {
    await expect(
      writeFiles('/proc/mmdeploy/deep', [{ path: 'a', text: '' }]),
    ).rejects.toMatchObject({
      code: 'system.refused',
      message: expect.stringMatching(/folder cannot be made$/),
    });
  });
});

it.each([
  ['ENOSPC', 'the disk is full'],
  ['EROFS', 'the file system is read-only'],
  ['EEXIST', 'it is there already'],
  ['ENOTDIR', 'a file stands where a folder is needed'],
])('says %s in words', (code, words) => {
  expect(fileFault(Object.assign(new Error(`${code}: no words`), { code }))).toBe(words);
});
