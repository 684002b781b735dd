import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { NO_FILE } from '../walk.ts';

/** Every reader starts with so many bytes: they tell the kind of file, and the size of most pictures. */
export const HEAD_BYTES = 8 * 1024;

/** A file whose first bytes are read. Everything is synchronous: for small reads a promise costs more. */
export type OpenFile = {
  /** The first `HEAD_BYTES`, or the whole of a shorter file. Gone with the next `openFile`. */
  readonly head: Buffer;
  /** Up to `length` bytes from `position`, fewer where the file ends. */
  readonly readAt: (position: number, length: number) => Buffer;
  readonly close: () => void;
};

/** One for all: a million files would make the collector of garbage the busiest part of the program. */
const shared = Buffer.from(new ArrayBuffer(HEAD_BYTES));
/** A pipe that took the place of a file since it was found is not waited for; Windows has none. */
const FLAGS = constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0);

/** Opens the regular file at `path`. Throws what `node:fs` throws, and an Error for what is no file. */
export function openFile(path: string): OpenFile {
  const file = openSync(path, FLAGS);
  try {
    const filled = fill(file, shared, 0);
    if (filled === 0 && !fstatSync(file).isFile()) throw new Error(NO_FILE);
    return {
      head: filled === HEAD_BYTES ? shared : shared.subarray(0, filled),
      readAt: (position, length) => {
        const buffer = Buffer.from(new ArrayBuffer(length));
        return buffer.subarray(0, fill(file, buffer, position));
      },
      close: () => closeSync(file),
    };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function fill(file: number, buffer: Buffer, position: number): number {
  let filled = 0;
  while (filled < buffer.length) {
    const read = readSync(file, buffer, filled, buffer.length - filled, position + filled);
    if (read === 0) break;
    filled += read;
  }
  return filled;
}
