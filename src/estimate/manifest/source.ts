import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { MmdeployError, fileFault } from '../../errors.ts';

/** Large enough that a batch is worth its overhead, small enough that its rows die young. */
const CHUNK_BYTES = 16 * 1024;

/** The folder that a manifest's relative paths start from, as the user would write it. */
export function folderOf(path: string): string {
  return path === '-' ? '' : dirname(path);
}

/**
 * The bytes of a manifest, unpacked when its name ends in `.gz`; `-` is stdin. Throws `file.missing` or
 * `file.unreadable` before the first byte; what breaks later breaks the iteration.
 */
export async function openBytes(
  path: string,
  { cwd, stdin }: { readonly cwd: string; readonly stdin: () => Readable },
): Promise<AsyncIterable<Uint8Array>> {
  if (path === '-') return stdin();
  const file = await opened(path, resolve(cwd, path));
  const stream = file.createReadStream({ highWaterMark: CHUNK_BYTES });
  return path.toLowerCase().endsWith('.gz') ? unpacked(stream) : stream;
}

/** A regular file or a pipe: `--manifest <(jq …)` is one. */
export async function opened(path: string, absolute: string): Promise<FileHandle> {
  const flag = `\`--manifest ${path}\``;
  let file: FileHandle;
  try {
    file = await open(absolute);
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw new MmdeployError(
      missing ? 'file.missing' : 'file.unreadable',
      `${flag}: ${fileFault(error)}`,
      { hints: ['as in `mmdeploy estimate --manifest items.jsonl --model gpt-4o`'], cause: error },
    );
  }
  if (!(await file.stat()).isDirectory()) return file;
  await file.close();
  throw new MmdeployError('usage.invalid', `${flag}: it is a folder`, {
    hints: [`a folder is an input itself: \`mmdeploy estimate ${path} --model gpt-4o\``],
  });
}

async function* unpacked(file: Readable): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  file.on('error', (error) => gunzip.destroy(error));
  file.pipe(gunzip);
  try {
    yield* gunzip as AsyncIterable<Uint8Array>;
  } finally {
    file.destroy();
    gunzip.destroy();
  }
}
