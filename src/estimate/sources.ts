import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { EstimateInput, UnreadableInput } from '../contracts/estimate.ts';
import type { Entry, RequestMode } from './entry.ts';
import { orderOf, placeOf } from './entry.ts';
import type { Reader } from './read/index.ts';
import type { KeyDigest, Shard } from './shard.ts';
import { isMine } from './shard.ts';
import { walkPaths } from './walk.ts';

export type SourceOptions = {
  readonly paths: readonly string[];
  readonly described: readonly EstimateInput[];
  readonly requests: RequestMode;
  readonly shard: Shard | null;
  /** Digests of the content of media files. */
  readonly dedupe: boolean;
  readonly reader: Reader;
  readonly cwd: string;
  readonly signal: AbortSignal;
};

/** Entries handed on together: awaiting each by itself takes longer than most take to be read. */
const BATCH = 256;

/**
 * Everything that was asked for, in one order on every machine, in batches: files, then descriptions. Holds
 * one batch at a time. `keys` takes note of all of it, of other machines' shares too.
 */
export async function* entriesOf(
  options: SourceOptions,
  keys: KeyDigest,
): AsyncGenerator<readonly Entry[]> {
  let index = 0;
  let batch: Entry[] = [];
  for (const found of walkPaths(options.paths, options.cwd, options.signal)) {
    const at = index++;
    const key = found.kind === 'hidden' ? '' : found.path;
    keys.add(key);
    if (!isMine(options.shard, key === '' ? `hidden ${at}` : key)) continue;
    if (found.kind === 'hidden') batch.push(found);
    else if (found.kind === 'unreachable') {
      const { path, reason } = found;
      batch.push({ kind: 'unreadable', entry: { path, reason }, order: orderOf(at, 0) });
    } else batch.push({ kind: 'file' }, ...(await fileEntries(found.path, at, options)));
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
    options.signal.throwIfAborted();
  }
  for (const input of options.described) {
    const at = index++;
    const key = `${input.modality} ${input.input} ${at}`;
    keys.add(key);
    if (isMine(options.shard, key)) batch.push(inputEntry(input, at, 0, null, options));
  }
  if (batch.length > 0) yield batch;
}

async function fileEntries(
  path: string,
  index: number,
  options: SourceOptions,
): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  const absolute = resolve(options.cwd, path);
  const found = await options.reader.read({
    path,
    absolute,
    // Few kinds of files are read by their size: asking for all of them would cost as much as the headers.
    get bytes() {
      return statSync(absolute).size;
    },
  });
  const digest = options.dedupe && found.some(isMedia) ? contentDigest(absolute) : null;
  let document: string | null = null;
  for (const [part, each] of found.entries()) {
    if ('reason' in each) {
      entries.push({ kind: 'unreadable', entry: each, order: orderOf(index, part) });
      continue;
    }
    if (each.document !== null && each.document !== document) {
      document = each.document;
      entries.push({ kind: 'document' });
    }
    const own = digest !== null && isMedia(each) ? `${digest}${part}` : null;
    entries.push(inputEntry(each, index, part, own, options));
  }
  return entries;
}

function isMedia(found: EstimateInput | UnreadableInput): boolean {
  return 'modality' in found && found.modality !== 'text';
}

function inputEntry(
  input: EstimateInput,
  index: number,
  part: number,
  digest: string | null,
  { requests }: SourceOptions,
): Entry {
  const place = placeOf(requests, { index, part, count: input.count, ofLine: false });
  return { kind: 'input', input, place, digest };
}

const READ_BYTES = 1024 * 1024;
/** Of SHA-256: two of a million contents share so many characters once in 10^25 runs. */
const DIGEST_CHARACTERS = 22;

/** Digest of a whole file; null where it can no longer be read. */
function contentDigest(path: string): string | null {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  try {
    const file = openSync(path, 'r');
    try {
      let left = fstatSync(file).size;
      while (left > 0) {
        const read = readSync(file, buffer, 0, READ_BYTES, null);
        if (read === 0) break;
        hash.update(buffer.subarray(0, read));
        left -= read;
      }
    } finally {
      closeSync(file);
    }
  } catch {
    return null;
  }
  return hash.digest('base64').slice(0, DIGEST_CHARACTERS);
}
