import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { EstimateInput } from '../contracts/estimate.ts';
import type { Entry, RequestMode } from './entry.ts';
import { orderOf, placeOf } from './entry.ts';
import type { Reader } from './read/index.ts';
import type { ChatPlace } from './tally.ts';
import type { ReadResult } from './read/types.ts';
import { walkPaths } from './walk.ts';

export type EntryOptions = {
  readonly requests: RequestMode;
  /** Digests of the content of media files. */
  readonly dedupe: boolean;
  readonly reader: Reader;
  readonly cwd: string;
  readonly signal: AbortSignal;
};

/** One file, line or description among all, and what it has brought so far. */
export type OpenPlace = {
  readonly index: number;
  /** One of several inputs that a line of a manifest lists. */
  readonly ofLine: boolean;
  part: number;
  /** The part of a chat request that is read. */
  chat?: ChatPlace;
  /** Of a chat request whose first input is yet to come: the limit of its answers, null for none. */
  answer?: number | null;
};

/** How a line of a manifest changes what its files hold: `count`, `detail`. */
type Change = (found: ReadResult[number]) => ReadResult[number];
const unchanged: Change = (found) => found;

/** What one regular file holds. */
export async function fileEntries(
  path: string,
  place: OpenPlace,
  options: EntryOptions,
  change: Change = unchanged,
): Promise<readonly Entry[]> {
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
  return [{ kind: 'file' }, ...foundEntries(found.map(change), digest, place, options)];
}

/** What a path of a manifest names: a file as a rule, a folder or a pattern as well. */
export async function pathEntries(
  path: string,
  place: OpenPlace,
  options: EntryOptions,
  change: Change,
): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for (const found of walkPaths([path], options.cwd, options.signal)) {
    if (found.kind === 'hidden') entries.push(found);
    else if (found.kind === 'file') {
      entries.push(...(await fileEntries(found.path, place, options, change)));
    } else {
      const entry = { path: found.path, reason: found.reason };
      entries.push({ kind: 'unreadable', entry, order: orderOf(place.index, place.part++) });
    }
  }
  return entries;
}

/** `digest` is that of the whole content that all of `found` comes from. */
export function foundEntries(
  found: ReadResult,
  digest: string | null,
  place: OpenPlace,
  options: Pick<EntryOptions, 'requests'>,
): Entry[] {
  const entries: Entry[] = [];
  let document: string | null = null;
  for (const [at, each] of found.entries()) {
    if ('reason' in each) {
      const order = orderOf(place.index, place.part++);
      entries.push({ kind: 'unreadable', entry: each, order });
      continue;
    }
    if (each.document !== null && each.document !== document) {
      document = each.document;
      entries.push({ kind: 'document' });
    }
    const own = digest !== null && isMedia(each) ? `${digest}${at}` : null;
    entries.push(inputEntry(each, own, place, options));
  }
  return entries;
}

export function inputEntry(
  input: EstimateInput,
  digest: string | null,
  place: OpenPlace,
  { requests }: Pick<EntryOptions, 'requests'>,
): Entry {
  const { index, ofLine } = place;
  const part = place.part++;
  const chat = place.chat ?? null;
  const standing = placeOf(requests, { index, part, count: input.count, ofLine, chat });
  const { answer } = place;
  if (answer === undefined) return { kind: 'input', input, place: standing, digest };
  delete place.answer;
  return { kind: 'input', input, place: { ...standing, answer }, digest };
}

function isMedia(found: ReadResult[number]): boolean {
  return 'modality' in found && found.modality !== 'text';
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

/** The digest that a file of these bytes would have. */
export function bytesDigest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64').slice(0, DIGEST_CHARACTERS);
}
