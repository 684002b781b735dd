import type { EstimateInput } from '../contracts/estimate.ts';
import type { Entry } from './entry.ts';
import { orderOf } from './entry.ts';
import type { EntryOptions } from './input-entries.ts';
import { fileEntries, inputEntry } from './input-entries.ts';
import type { ManifestSources } from './manifest/entries.ts';
import type { KeyDigest, Shard } from './shard.ts';
import { isMine } from './shard.ts';
import { walkPaths } from './walk.ts';

export type SourceOptions = EntryOptions & {
  readonly paths: readonly string[];
  readonly manifests: ManifestSources;
  readonly described: readonly EstimateInput[];
  readonly shard: Shard | null;
};

/** Entries handed on together: awaiting each by itself takes longer than most take to be read. */
const BATCH = 256;

/**
 * Everything that was asked for, in one order on every machine, in batches: files, then the lines of
 * manifests, then descriptions. Holds one batch at a time. `keys` takes note of all of it, of other
 * machines' shares too.
 */
export async function* entriesOf(
  options: SourceOptions,
  keys: KeyDigest,
): AsyncGenerator<readonly Entry[]> {
  const count = { next: 0 };
  yield* pathsOf(options, keys, count);
  if (options.manifests.files.length > 0) {
    const { manifestEntries } = await import('./manifest/entries.ts');
    yield* manifestEntries(options.manifests, options, keys, count);
  }
  const batch: Entry[] = [];
  for (const input of options.described) {
    const index = count.next++;
    const key = `${input.modality} ${input.input} ${index}`;
    keys.add(key);
    if (!isMine(options.shard, key)) continue;
    batch.push(inputEntry(input, null, { index, ofLine: false, part: 0 }, options));
  }
  if (batch.length > 0) yield batch;
}

async function* pathsOf(
  options: SourceOptions,
  keys: KeyDigest,
  count: { next: number },
): AsyncGenerator<readonly Entry[]> {
  let batch: Entry[] = [];
  for (const found of walkPaths(options.paths, options.cwd, options.signal)) {
    const index = count.next++;
    const key = found.kind === 'hidden' ? '' : found.path;
    keys.add(key);
    if (!isMine(options.shard, key === '' ? `hidden ${index}` : key)) continue;
    if (found.kind === 'hidden') batch.push(found);
    else if (found.kind === 'unreachable') {
      const { path, reason } = found;
      batch.push({ kind: 'unreadable', entry: { path, reason }, order: orderOf(index, 0) });
    } else {
      const place = { index, ofLine: false, part: 0 };
      batch.push(...(await fileEntries(found.path, place, options)));
    }
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
    options.signal.throwIfAborted();
  }
  if (batch.length > 0) yield batch;
}
