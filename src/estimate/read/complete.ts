import type { OpenFile } from './open-file.ts';

/**
 * Whether a container of sound, film or pages has all the bytes that it says it has. A library that looks up
 * samples finds their table in the first half of a film as well, and calls the half the whole.
 */

/** Why the file of `bytes` bytes is not whole; null when it is, or its format does not tell. */
export function cutShort(file: OpenFile, format: string, bytes: number): string | null {
  if (format === 'pdf') return hasEnd(file, bytes) ? null : 'truncated: its end is missing';
  const end = endOf(file, format, bytes);
  return end === null || end <= bytes
    ? null
    : `truncated: ${bytes} of at least ${end} bytes are there`;
}

/** Where the last part says that it ends, in bytes. */
function endOf(file: OpenFile, format: string, bytes: number): number | null {
  switch (format) {
    case 'mp4':
    case 'm4a':
    case 'mov':
      return endOfBoxes(file, bytes);
    case 'mkv':
      return endOfSegment(file.head);
    case 'wav':
      return endOfRiff(file.head);
    default:
      return null;
  }
}

const MAX_BOXES = 100_000;
const BOX_HEAD = 16;

/** ISO/IEC 14496-12, 4.2: a size of 1 is followed by one of 64 bits, 0 means to the end of the file. */
function endOfBoxes(file: OpenFile, bytes: number): number | null {
  let position = 0;
  for (let boxes = 0; position < bytes && boxes < MAX_BOXES; boxes++) {
    const head = file.readAt(position, BOX_HEAD);
    if (head.length < 8) return position + 8;
    const size = head.readUInt32BE(0);
    if (size === 0) return null;
    if (size !== 1) position += Math.max(size, 8);
    else if (head.length < BOX_HEAD) return position + BOX_HEAD;
    else position += Math.max(Number(head.readBigUInt64BE(8)), BOX_HEAD);
  }
  return position;
}

/** RFC 8794: the header element, then the segment that holds everything else. */
function endOfSegment(head: Buffer): number | null {
  const header = element(head, 0);
  const segment = header === null ? null : element(head, header.end);
  return segment === null || segment.end === Number.POSITIVE_INFINITY ? null : segment.end;
}

/** Where the EBML element at `position` ends: infinity for one of unknown size. */
function element(head: Buffer, position: number): { readonly end: number } | null {
  const idLength = Math.clz32(head[position] ?? 0) - 23;
  const at = position + idLength;
  const first = head[at] ?? 0;
  const length = Math.clz32(first) - 23;
  if (idLength > 4 || length > 8 || at + length > head.length) return null;
  let size = BigInt(first & (0xff >> length));
  for (const byte of head.subarray(at + 1, at + length)) size = size * 256n + BigInt(byte);
  const unknown = size === 2n ** BigInt(7 * length) - 1n;
  return { end: unknown ? Number.POSITIVE_INFINITY : at + length + Number(size) };
}

/** Other programs append a line or two behind the last `%%EOF`. */
const PDF_TAIL = 64 * 1024;

/** PDFium would piece a torn document together from the pages that it finds. */
function hasEnd(file: OpenFile, bytes: number): boolean {
  const tail = file.readAt(Math.max(0, bytes - PDF_TAIL), PDF_TAIL);
  return tail.includes('startxref', 0, 'latin1');
}

/** A recorder that could not go back leaves the size at nothing or at the most there is. */
const UNSET_SIZES = [0, 0x7fff_ffff, 0xffff_ffff];
const RIFF_HEAD = 8;

function endOfRiff(head: Buffer): number | null {
  if (head.length < RIFF_HEAD + 4) return RIFF_HEAD + 4;
  const size = head.readUInt32LE(4);
  const unset = UNSET_SIZES.some((none) => Math.abs(size - none) < HEADERS_BYTES);
  return unset || head[3] !== 0x46 ? null : RIFF_HEAD + size;
}

/** Some add the size of what stands before the samples to the placeholder. */
const HEADERS_BYTES = 128;
