import { basename, dirname, join } from 'node:path';
import { MmdeployError } from '../errors.ts';
import { invalid, quoted, shellWord } from './faults.ts';
import type { GgufHeader } from './header.ts';
import type { ParsedGguf } from './parse.ts';

const SHARD_NAME = /^(?<stem>.*)-(?<index>\d{5})-of-(?<count>\d{5})\.gguf$/;
/** What five digits can name. */
const MAX_SHARDS = 99_999;

/** How many files the model of `file` is split into; 1 for one that is whole. */
export function shardCount(file: ParsedGguf): number {
  const count = file.metadata.get('split.count');
  if (count === undefined || count === 0) return 1;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || count > MAX_SHARDS) {
    throw invalid(file.path, 0, `split.count is ${String(count)}`);
  }
  return count;
}

/**
 * Paths of all shards of the model that `file` belongs to, the first one first: llama.cpp derives them
 * from the name as well. Throws `gguf.invalid` where the name does not say so.
 */
export function shardPaths(file: ParsedGguf, count: number): string[] {
  const name = basename(file.path);
  const parts = SHARD_NAME.exec(name)?.groups;
  if (parts?.['stem'] === undefined || Number(parts['count']) !== count) {
    const pattern = `NAME-00001-of-${digits(count)}.gguf`;
    throw new MmdeployError(
      'gguf.invalid',
      `${file.path}: one of ${count} files of a split model, but its name does not end in -NNNNN-of-${digits(count)}.gguf, so the others cannot be found`,
      { hints: [`give all ${count} files their names back, then \`mmdeploy plan ${pattern}\``] },
    );
  }
  const { stem } = parts;
  return Array.from({ length: count }, (_, index) =>
    join(dirname(file.path), `${stem}-${digits(index + 1)}-of-${digits(count)}.gguf`),
  );
}

function digits(index: number): string {
  return String(index).padStart(5, '0');
}

/** The error for a shard that is not beside the others. */
export function missingShard(path: string, given: string, count: number): MmdeployError {
  return new MmdeployError(
    'file.missing',
    `${path}: no such file, but ${given} is one of ${count} files of a split model`,
    {
      hints: [
        `fetch ${basename(path)} into ${shellWord(dirname(path))}, then \`mmdeploy plan ${shellWord(given)}\``,
      ],
    },
  );
}

/** One header of all files of a model. Throws `gguf.invalid` where they do not belong together. */
export function mergeShards(first: ParsedGguf, others: readonly ParsedGguf[]): GgufHeader {
  const files = [first, ...others];
  if (others.length > 0) checkTogether(files);
  const tensors = files.flatMap((file, shard) => file.tensors.map((t) => ({ ...t, shard })));
  return {
    path: first.path,
    fileBytes: files.reduce((sum, file) => sum + file.fileBytes, 0),
    version: first.version,
    alignment: first.alignment,
    dataOffset: first.dataOffset,
    metadata: first.metadata,
    get: first.metadata.get,
    tensors,
    shards: files.map(({ path, fileBytes, dataOffset }) => ({ path, fileBytes, dataOffset })),
  };
}

function checkTogether(files: readonly ParsedGguf[]): void {
  const seen = new Map<string, string>();
  files.forEach((file, index) => {
    const number = file.metadata.get('split.no');
    const count = file.metadata.get('split.count');
    if (number !== index || count !== files.length) {
      const says = `it says shard ${String(number)} of ${String(count)}`;
      throw invalid(file.path, 0, `named as shard ${index} of ${files.length}, but ${says}`);
    }
    for (const { name } of file.tensors) {
      const other = seen.get(name);
      if (other !== undefined) {
        throw invalid(file.path, 0, `tensor ${quoted(name)} is in ${other} too`);
      }
      seen.set(name, file.path);
    }
  });
  const expected = files[0]?.metadata.get('split.tensors.count');
  if (expected !== undefined && expected !== seen.size) {
    const what = `split.tensors.count is ${String(expected)}, but the files hold ${seen.size} tensors`;
    throw invalid(files[0]?.path ?? '', 0, what);
  }
}
