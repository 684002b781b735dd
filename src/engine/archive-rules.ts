import { basename, posix } from 'node:path';
import { MmdeployError } from '../errors.ts';

export const MAX_ENTRIES = 20_000;

/** Whether a path inside an archive could land outside the folder it is unpacked into. */
export function escapes(path: string): boolean {
  if (path === '' || path.includes('\\') || path.includes('\0')) return true;
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return true;
  return path.split('/').includes('..') && posix.normalize(path).startsWith('..');
}

export function refused(file: string, reason: string): MmdeployError {
  return new MmdeployError('engine.install', `${basename(file)} cannot be unpacked: ${reason}`, {
    hints: ['nothing was installed; give another archive with `--url` and `--sha256`'],
  });
}
