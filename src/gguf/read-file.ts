import { Buffer } from 'node:buffer';
import { closeSync, existsSync, openSync, readSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { MmdeployError, messageOf, nearest } from '../errors.ts';
import { shellWord } from './faults.ts';
import type { ByteSource, GgufHeader } from './header.ts';
import { parseGguf } from './parse.ts';
import { mergeShards, missingShard, shardCount, shardPaths } from './shards.ts';

/**
 * Reads the header of a GGUF file, and of all its shards where it is split (any shard may be given).
 * Reads a few megabytes at most and keeps no file open; arrays of the metadata are read on request.
 *
 * Throws `gguf.truncated|invalid|unsupported` as `parseGguf` does, `file.missing` for a file or shard
 * that is not there, `file.unreadable` where it may not be read, `input.invalid` for a folder or device.
 */
export function readGgufHeader(path: string): GgufHeader {
  const given = parseGguf(fileSource(path));
  const count = shardCount(given);
  if (count === 1) return mergeShards(given, []);
  const paths = shardPaths(given, count);
  const absent = paths.find((shard) => !existsSync(shard));
  if (absent !== undefined) throw missingShard(absent, path, count);
  const files = paths.map((shard) =>
    basename(shard) === basename(path) ? given : parseGguf(fileSource(shard)),
  );
  const [first = given, ...others] = files;
  return mergeShards(first, others);
}

/** Opens the file for each read: a header needs few, and nothing has to be closed by the caller. */
function fileSource(path: string): ByteSource {
  const size = regularFileSize(path);
  return {
    name: path,
    size,
    read: (offset, length) => {
      try {
        return readAt(path, offset, length);
      } catch (error) {
        throw unreadable(path, error);
      }
    },
  };
}

function readAt(path: string, offset: number, length: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(length);
  const file = openSync(path, 'r');
  try {
    let filled = 0;
    while (filled < length) {
      const read = readSync(file, bytes, filled, length - filled, offset + filled);
      if (read === 0) break;
      filled += read;
    }
    return bytes.subarray(0, filled);
  } finally {
    closeSync(file);
  }
}

function regularFileSize(path: string): number {
  const stats = statOf(path);
  if (stats.isFile()) return stats.size;
  const kind = stats.isDirectory() ? 'a folder' : 'a device or pipe';
  const inside = stats.isDirectory() ? ggufFilesIn(path) : [];
  throw new MmdeployError('input.invalid', `${path}: ${kind}, not a GGUF file`, {
    hints:
      inside.length === 0
        ? ['give the path of a .gguf file: `mmdeploy plan MODEL.gguf`']
        : inside.slice(0, 3).map((name) => `\`mmdeploy plan ${shellWord(join(path, name))}\``),
  });
}

function statOf(path: string) {
  try {
    return statSync(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw missing(path);
    throw unreadable(path, error);
  }
}

function missing(path: string): MmdeployError {
  const folder = dirname(path);
  const near = nearest(basename(path), ggufFilesIn(folder));
  return new MmdeployError('file.missing', `${path}: no such file`, {
    hints:
      near.length === 0
        ? ['give the path of a .gguf file, or a model that `mmdeploy models` lists']
        : near.map((name) => `did you mean \`mmdeploy plan ${shellWord(join(folder, name))}\`?`),
  });
}

function unreadable(path: string, error: unknown): MmdeployError {
  return new MmdeployError('file.unreadable', `${path}: cannot be read: ${messageOf(error)}`, {
    hints: [
      `make it readable for this user (\`ls -l ${shellWord(path)}\` shows its mode), then \`mmdeploy plan ${shellWord(path)}\``,
    ],
    cause: error,
  });
}

/** Names of the GGUF files in a folder, projectors last; empty where it cannot be listed. */
function ggufFilesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.gguf'))
      .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  } catch {
    return [];
  }
}

function rank(name: string): number {
  return name.includes('mmproj') ? 1 : 0;
}
