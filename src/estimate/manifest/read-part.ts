import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EstimateInput, UnreadableInput } from '../../contracts/estimate.ts';
import { imageInput } from '../describe-input.ts';
import { contentOf } from '../read/content.ts';
import { imageHeaderOf } from '../read/image-header.ts';
import type { Reader } from '../read/index.ts';
import type { ReadResult } from '../read/types.ts';
import type { RemotePolicy, RemoteReader } from './remote.ts';
import type { ManifestPart } from './types.ts';

export type PartReaderOptions = {
  readonly reader: Reader;
  /** Null: no address is asked. */
  readonly remote: RemotePolicy | null;
  readonly signal: AbortSignal;
};

/** Parts that are no files: those are found and read like any other. */
type ReadPart = Exclude<ManifestPart, { kind: 'file' }>;

export type PartReader = {
  /** What one part of a row is. Throws only when aborted. */
  readonly read: (part: ReadPart) => Promise<ReadResult>;
  /** Removes what was written, closes what was connected. */
  readonly close: () => Promise<void>;
};

/** Nearly every picture's size stands in its first 64 KiB; the rest of them say so in their first MiB. */
const REMOTE_BYTES = [64 * 1024, 1024 * 1024] as const;

/** Turns parts of a manifest into inputs: bytes and, where they may be asked, remote files by their heads. */
export function createPartReader(options: PartReaderOptions): PartReader {
  const scratch = createScratch();
  let connected: Promise<RemoteReader> | null = null;
  const remote = async (policy: RemotePolicy): Promise<RemoteReader> => {
    const { createRemoteReader } = await import('./remote.ts');
    connected ??= createRemoteReader({ policy, signal: options.signal });
    return connected;
  };
  const wholeOf: Whole = (path, bytes) =>
    scratch.with(bytes, (absolute) => options.reader.read({ path, absolute, bytes: bytes.length }));
  const found = async (part: ReadPart): Promise<ReadResult> => {
    switch (part.kind) {
      case 'described':
        return [part.input];
      case 'unreadable':
        return [part.entry];
      case 'bytes':
        return part.whole
          ? wholeOf(part.name, part.bytes)
          : stillOf(part.name, part.bytes, 'its first MiB');
      case 'url':
        if (options.remote === null) return unreadable(part.url, notAllowed(part.url));
        return remoteOf(part.url, await remote(options.remote), wholeOf);
    }
  };
  return {
    read: async (part) => {
      const results = await found(part);
      return 'modality' in part ? results.map((each) => asWanted(each, part)) : results;
    },
    close: async () => {
      await scratch.close();
      if (connected !== null) await (await connected).close();
    },
  };
}

type Whole = (name: string, bytes: Uint8Array) => Promise<ReadResult>;
type Wanted = Pick<ManifestPart & { kind: 'file' }, 'modality' | 'count' | 'detail'>;

/** As often as the row says, with its detail; a file of another kind than it says is no input. */
export function asWanted(
  found: EstimateInput | UnreadableInput,
  { modality, count, detail }: Wanted,
): EstimateInput | UnreadableInput {
  if ('reason' in found) return found;
  const kind = found.document === null ? found.modality : 'document';
  if (modality !== null && modality !== kind) {
    const fits = modality === 'document' && kind === 'text';
    if (!fits)
      return { path: found.input, reason: `${NAMES[kind]}, not ${NAMES[modality]} as given` };
  }
  return { ...found, count: found.count * count, detail: detail ?? found.detail };
}

const NAMES = {
  image: 'a picture',
  audio: 'a sound',
  video: 'a film',
  text: 'a text',
  document: 'a document',
} as const;

function unreadable(path: string, reason: string): ReadResult {
  return [{ path, reason }];
}

/** A still picture of which only the beginning is here. */
function stillOf(name: string, bytes: Uint8Array, seen: string): ReadResult {
  const content = contentOf(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const header = content.kind === 'image' ? imageHeaderOf(bytes) : null;
  if (header?.kind !== 'image') return unreadable(name, `no picture whose size is in ${seen}`);
  const { width, height, turned, format } = header;
  if (!STILL.includes(format) && !saysStill(format, bytes)) {
    return unreadable(name, `how many frames it has is not in ${seen} (${format})`);
  }
  return [imageInput(name, { width, height, turned, format })];
}

/** Formats of one frame, whatever follows. */
const STILL = ['jpg', 'png', 'bmp', 'tiff', 'heic', 'jp2', 'psd', 'pnm'];
/** Of the byte that tells what an extended WebP has. */
const WEBP_ANIMATED = 0x02;
const WEBP_FLAGS_AT = 20;

/** WebP and AVIF say at their start whether they move. */
function saysStill(format: string, bytes: Uint8Array): boolean {
  const at = (start: number) => Buffer.from(bytes.subarray(start, start + 4)).toString('latin1');
  if (format === 'avif') return at(8) === 'avif';
  if (format !== 'webp') return false;
  const moving = at(12) === 'VP8X' && ((bytes[WEBP_FLAGS_AT] ?? 0) & WEBP_ANIMATED) !== 0;
  return !moving;
}

async function remoteOf(url: string, reader: RemoteReader, wholeOf: Whole): Promise<ReadResult> {
  let result: ReadResult = [];
  for (const length of REMOTE_BYTES) {
    const head = await reader.head(url, length);
    if ('reason' in head) return unreadable(url, head.reason);
    if (head.whole) return wholeOf(url, head.bytes);
    result = stillOf(url, head.bytes, `its first ${length / 1024} KiB, and no more is fetched`);
    if (result.every((each) => !('reason' in each))) break;
  }
  return result;
}

function notAllowed(url: string): string {
  const host = URL.canParse(url) ? new URL(url).hostname : 'HOST';
  return `remote; allow it with \`--allow-remote ${host}\``;
}

/** Readers read files: bytes of a line become one for as long as it takes. */
function createScratch() {
  let folder: Promise<string> | null = null;
  let next = 0;
  return {
    with: async <T>(bytes: Uint8Array, use: (path: string) => Promise<T>): Promise<T> => {
      folder ??= mkdtemp(join(tmpdir(), 'mmdeploy-inputs-'));
      const path = join(await folder, String(next++));
      await writeFile(path, bytes, { mode: 0o600 });
      try {
        return await use(path);
      } finally {
        await rm(path, { force: true });
      }
    },
    close: async () => {
      if (folder !== null) await rm(await folder, { recursive: true, force: true });
    },
  };
}
