import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  makeSlotFolder,
  slotArguments,
  slotFileLimits,
} from '../../../../src/serve/schedule/slot-folder.ts';

test.skipIf(process.platform === 'win32')(
  'the folder of slot files is for this user only',
  async () => {
    const folder = await makeSlotFolder({});
    if (folder === null) throw new Error('no folder');
    onTestFinished(() => folder.remove());
    expect(statSync(folder.path).mode & 0o777).toBe(0o700);
    const file = join(folder.path, '1-1.slot');
    writeFileSync(file, 'x');
    await folder.erase('1-1.slot');
    expect(existsSync(file)).toBe(false);
    // A file that is gone already is no error.
    await folder.erase('1-1.slot');
    await folder.remove();
    expect(existsSync(folder.path)).toBe(false);
  },
);

test('slot files take a part of what is free, or what was asked for', () => {
  expect(slotFileLimits({ freeBytes: 8000 }, null)).toEqual({ totalBytes: 2000, fileBytes: 1000 });
  expect(slotFileLimits({ freeBytes: 8000 }, 6000)).toEqual({ totalBytes: 6000, fileBytes: 3000 });
  expect(slotFileLimits({ freeBytes: 8000 }, 9000).totalBytes).toBe(8000);
  expect(slotFileLimits({ freeBytes: 8000 }, 0)).toEqual({ totalBytes: 0, fileBytes: 0 });
});

test('an engine gets the flags that it knows', () => {
  const folder = { path: '/dev/shm/x' };
  expect(slotArguments(folder, true, () => true)).toEqual([
    ...['--slot-save-path', '/dev/shm/x', '--cache-ram', '0', '--no-cache-idle-slots'],
  ]);
  expect(slotArguments(folder, false, (flag) => flag === '--slot-save-path')).toEqual([
    ...['--slot-save-path', '/dev/shm/x'],
  ]);
  expect(slotArguments(null, false, () => false)).toEqual([]);
});
