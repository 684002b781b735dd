import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { TensorInfo } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import { placeGguf } from './write.ts';
import type { GgufContent, GgufPlacement } from './write.ts';

/** The data of one tensor, in pieces of any size that together are exactly its bytes. */
export type TensorData = (tensor: TensorInfo) => Iterable<Uint8Array>;

/**
 * Writes a GGUF file under a temporary name beside `path` and renames it into place, so that a reader
 * sees the whole file or none. Returns its length in bytes.
 * Without `data` the file is sparse: its full length with holes for the tensors, which read as zeros.
 */
export async function writeGguf(
  path: string,
  content: GgufContent,
  data: TensorData | null,
): Promise<number> {
  const placement = placeGguf(content);
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o644);
    try {
      await fill(file, placement, data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return placement.totalBytes;
}

async function fill(
  file: FileHandle,
  placement: GgufPlacement,
  data: TensorData | null,
): Promise<void> {
  // open() applies the umask; an engine of another user must still be able to read the file.
  await file.chmod(0o644);
  await file.truncate(placement.totalBytes);
  await writeAll(file, placement.header, 0);
  if (data === null) return;
  for (const { tensor, bytes, offset } of placement.tensors) {
    let written = 0;
    for (const piece of data(tensor)) {
      if (written + piece.length > bytes) throw wrongLength(tensor, bytes);
      await writeAll(file, piece, offset + written);
      written += piece.length;
    }
    if (written !== bytes) throw wrongLength(tensor, bytes);
  }
}

/** One write may store less than it was given, on a disk that is nearly full for example. */
async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

function wrongLength(tensor: TensorInfo, bytes: number): MmdeployError {
  return new MmdeployError(
    'gguf.invalid',
    `The data given for tensor ${tensor.name} is not its ${bytes} bytes`,
  );
}

/**
 * `writeGguf`, unless `path` already holds these very bytes: a file that two processes make at the
 * same time, or that an engine has open, is not replaced for nothing. True when it was written.
 */
export async function writeGgufOnce(
  path: string,
  content: GgufContent,
  data: TensorData,
): Promise<boolean> {
  if (await holds(path, placeGguf(content), data)) return false;
  await writeGguf(path, content, data);
  return true;
}

async function holds(path: string, placement: GgufPlacement, data: TensorData): Promise<boolean> {
  const file = await open(path, 'r').catch(() => null);
  if (file === null) return false;
  try {
    if ((await file.stat()).size !== placement.totalBytes) return false;
    if (!(await holdsAt(file, placement.header, 0))) return false;
    for (const { tensor, offset } of placement.tensors) {
      let position = offset;
      for (const piece of data(tensor)) {
        if (!(await holdsAt(file, piece, position))) return false;
        position += piece.length;
      }
    }
    return true;
  } finally {
    await file.close();
  }
}

async function holdsAt(file: FileHandle, expected: Uint8Array, position: number): Promise<boolean> {
  const found = Buffer.alloc(expected.length);
  const { bytesRead } = await file.read(found, 0, found.length, position);
  return bytesRead === expected.length && found.equals(expected);
}
