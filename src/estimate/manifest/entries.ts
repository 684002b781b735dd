import type { Readable } from 'node:stream';
import type { Entry } from '../entry.ts';
import { orderOf } from '../entry.ts';
import type { EntryOptions, OpenPlace } from '../input-entries.ts';
import { bytesDigest, foundEntries, inputEntry, pathEntries } from '../input-entries.ts';
import type { KeyDigest, Shard } from '../shard.ts';
import { isMine } from '../shard.ts';
import type { ChatPlace } from '../tally.ts';
import type { ManifestFormat } from './index.ts';
import { manifestRows } from './index.ts';
import type { PartReader } from './read-part.ts';
import { asWanted, createPartReader } from './read-part.ts';
import type { RemotePolicy } from './remote.ts';
import type { ManifestMessage, ManifestPart, ManifestRow } from './types.ts';

export type ManifestFile = {
  /** `-`: stdin. */
  readonly path: string;
  /** Null: as its name says. */
  readonly format: ManifestFormat | null;
};

export type ManifestSources = {
  readonly files: readonly ManifestFile[];
  /** Between the paths of a list on stdin. */
  readonly separator: '\n' | '\0';
  readonly remote: RemotePolicy | null;
  /** All of every picture is needed, to decode it or to compare it. */
  readonly wholePictures: boolean;
  readonly stdin: () => Readable;
};

type Options = EntryOptions & { readonly shard: Shard | null };

/** Remote files of a batch that are asked for at the same time. */
const AT_ONCE = 8;

/** The lines of all manifests, in order, one batch for each that is read. */
export async function* manifestEntries(
  sources: ManifestSources,
  options: Options,
  keys: KeyDigest,
  count: { next: number },
): AsyncGenerator<readonly Entry[]> {
  const { separator, wholePictures, stdin, remote } = sources;
  const { reader, signal, cwd } = options;
  const parts = createPartReader({ reader, remote, signal });
  try {
    for (const { path, format } of sources.files) {
      const read = { cwd, stdin, separator, wholePictures, ...(format === null ? {} : { format }) };
      for await (const rows of manifestRows(path, read)) {
        signal.throwIfAborted();
        const mine: Numbered[] = [];
        for (const row of rows) {
          const index = count.next++;
          const key = `${path}:${row.line} ${row.key}`;
          keys.add(key);
          if (isMine(options.shard, key)) mine.push({ row, index, path });
        }
        yield await batchEntries(mine, parts, options);
      }
    }
  } finally {
    await parts.close();
  }
}

type Numbered = { readonly row: ManifestRow; readonly index: number; readonly path: string };

async function batchEntries(
  rows: readonly Numbered[],
  reader: PartReader,
  options: Options,
): Promise<readonly Entry[]> {
  const fetched = await fetchAhead(rows, reader);
  const entries: Entry[] = [];
  for (const { row, index, path } of rows) {
    if (row.problem !== null) {
      const name = path === '-' ? 'stdin' : path;
      const reason = row.problem.replace(/^line \d+: /, '');
      const entry = { path: `${name}:${row.line}`, reason };
      entries.push({ kind: 'unreadable', entry, order: orderOf(index, 0) });
      continue;
    }
    // The messages of a request are one request in any case; a list of inputs is one line of several.
    const { messages, settings } = row;
    const place: OpenPlace = {
      ...{ index, ofLine: messages === null, part: 0 },
      ...(messages === null ? {} : { answer: settings?.outputTokens ?? null }),
    };
    const chats = messages === null ? [] : chatPlaces(messages, row.parts.length);
    for (const [at, part] of row.parts.entries()) {
      const chat = chats[at];
      if (chat !== undefined) place.chat = chat;
      // Awaiting what is known already would take most of the time of a manifest of sizes.
      if (part.kind === 'described') entries.push(inputEntry(part.input, null, place, options));
      else entries.push(...(await partEntries(part, place, fetched.get(part) ?? reader, options)));
    }
  }
  return entries;
}

/** Where each part of a chat request stands: what is of no message, tools above all, comes before them. */
function chatPlaces(messages: readonly ManifestMessage[], parts: number): readonly ChatPlace[] {
  const request = {
    roles: messages.map(({ role }) => role),
    partly: messages.some(({ calls }) => calls === true),
  };
  const own = messages.flatMap((message, at) => Array<number>(message.parts).fill(at));
  const before = Array<null>(parts - own.length).fill(null);
  return [...before, ...own].map((message) => ({ ...request, message }));
}

async function partEntries(
  part: Exclude<ManifestPart, { kind: 'described' }>,
  place: OpenPlace,
  reader: Pick<PartReader, 'read'>,
  options: Options,
): Promise<readonly Entry[]> {
  if (part.kind === 'file') {
    return pathEntries(part.path, place, options, (found) => asWanted(found, part));
  }
  const bytes = options.dedupe && part.kind === 'bytes' ? part.bytes : null;
  const digest = bytes === null ? null : bytesDigest(bytes);
  return foundEntries(await reader.read(part), digest, place, options);
}

/** Remote files take a network's time each: those of a batch are asked for a few at once. */
async function fetchAhead(
  rows: readonly Numbered[],
  reader: PartReader,
): Promise<ReadonlyMap<ManifestPart, Pick<PartReader, 'read'>>> {
  const fetched = new Map<ManifestPart, Pick<PartReader, 'read'>>();
  const waiting: Extract<ManifestPart, { kind: 'url' }>[] = [];
  for (const { row } of rows)
    for (const part of row.parts) if (part.kind === 'url') waiting.push(part);
  const work = async (): Promise<void> => {
    for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
      const result = await reader.read(part);
      fetched.set(part, { read: () => Promise.resolve(result) });
    }
  };
  if (waiting.length > 0) await Promise.all(Array.from({ length: AT_ONCE }, work));
  return fetched;
}
