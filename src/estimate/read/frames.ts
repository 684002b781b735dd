import type { OpenFile } from './open-file.ts';

/** How many pictures an animation has, by its own structure: nothing is decoded. A still picture has one. */
export function framesOf(file: OpenFile, format: string): number {
  switch (format) {
    case 'gif':
      return gifFrames(cursorOf(file));
    case 'webp':
      return webpFrames(file);
    case 'png':
      return pngFrames(file.head);
    case 'avif':
      return avifFrames(file.head);
    default:
      return 1;
  }
}

type Cursor = { readonly byte: () => number | null; readonly skip: (bytes: number) => void };

const WINDOW = 64 * 1024;

/** Walks a file through one window: the blocks of a GIF are 255 bytes at most, and there are thousands. */
function cursorOf(file: OpenFile): Cursor {
  let window = file.head;
  let start = 0;
  let at = 0;
  const skip = (bytes: number) => {
    at += bytes;
  };
  const byte = () => {
    if (at < start || at >= start + window.length) {
      window = file.readAt(at, WINDOW);
      start = at;
    }
    const value = window[at - start] ?? null;
    at += 1;
    return value;
  };
  return { byte, skip };
}

const GIF_FLAGS = 10;

/** GIF89a, 20 to 24: a screen, then pictures and extensions, each a chain of blocks that ends with an empty one. */
function gifFrames({ byte, skip }: Cursor): number {
  const colours = (flags: number) => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  const skipBlocks = () => {
    for (let size = byte(); size !== null && size > 0; size = byte()) skip(size);
  };
  skip(GIF_FLAGS);
  const flags = byte() ?? 0;
  skip(2 + colours(flags));
  let frames = 0;
  for (;;) {
    const kind = byte();
    if (kind === 0x2c) {
      frames += 1;
      skip(8);
      skip(colours(byte() ?? 0) + 1);
    } else if (kind === 0x21) skip(1);
    else return Math.max(1, frames);
    skipBlocks();
  }
}

const RIFF_HEAD = 12;
const CHUNK_HEAD = 8;
const ANIMATED = 0x02;
/** Of a file that was made to have no end of them. */
const MAX_CHUNKS = 100_000;

function webpFrames(file: OpenFile): number {
  const { head } = file;
  if (head.toString('latin1', 12, 16) !== 'VP8X' || ((head[20] ?? 0) & ANIMATED) === 0) return 1;
  let frames = 0;
  let at = RIFF_HEAD;
  for (let chunks = 0; chunks < MAX_CHUNKS; chunks++) {
    const chunk = file.readAt(at, CHUNK_HEAD);
    if (chunk.length < CHUNK_HEAD) break;
    if (chunk.toString('latin1', 0, 4) === 'ANMF') frames += 1;
    const size = chunk.readUInt32LE(4);
    at += CHUNK_HEAD + size + (size % 2);
  }
  return Math.max(1, frames);
}

/** APNG: its control chunk stands before the data of the first picture. */
function pngFrames(head: Buffer): number {
  const control = head.indexOf('acTL', 0, 'latin1');
  const data = head.indexOf('IDAT', 0, 'latin1');
  const there = control > 0 && (data < 0 || control < data) && control + 8 <= head.length;
  return there ? Math.max(1, head.readUInt32BE(control + 4)) : 1;
}

/** An image sequence has tracks, as a film has: the most samples of one of them. */
function avifFrames(head: Buffer): number {
  if (head.toString('latin1', 8, 12) !== 'avis') return 1;
  let frames = 1;
  for (let at = head.indexOf('stsz'); at > 0; at = head.indexOf('stsz', at + 4)) {
    if (at + 16 <= head.length) frames = Math.max(frames, head.readUInt32BE(at + 12));
  }
  return frames;
}
