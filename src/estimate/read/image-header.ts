import { disableTypes, imageSize } from 'image-size';
import type { OpenFile } from './open-file.ts';
import { HEAD_BYTES, openFile } from './open-file.ts';

/**
 * Sizes of images from their headers alone: nothing is decoded, so a size is no proof that the rest of
 * the file is sound. At most `HEADS` bytes are read, however large the file is.
 */

type ImageHeader = {
  readonly width: number;
  readonly height: number;
  /** EXIF says that the picture stands on its side; width and height are given upright. */
  readonly turned: boolean;
  readonly format: string;
};

export type HeaderResult =
  | ({ readonly kind: 'image' } & ImageHeader)
  | { readonly kind: 'not-an-image' }
  | { readonly kind: 'unreadable'; readonly reason: string };

/** A thumbnail or colour profile can push a picture's size further back: the head is then read longer. */
const HEADS = [HEAD_BYTES, 64 * 1024, 1024 * 1024, 16 * 1024 * 1024] as const;
const TIFF_DIRECTORY_BYTES = 64 * 1024;
/** EXIF orientations 5 to 8 are turned by a quarter. */
const FIRST_TURNED = 5;
const LAST_TURNED = 8;

// TGA has no signature: any file that starts with zeros would pass for one.
disableTypes(['tga']);

/** Reads the header of the file at `path`. Throws what `node:fs` throws when it cannot be opened. */
export function readImageHeader(path: string): HeaderResult {
  const file = openFile(path);
  try {
    return headerOfFile(file);
  } finally {
    file.close();
  }
}

/** The same of a file that is open. */
export function headerOfFile(file: OpenFile): HeaderResult {
  if (file.head.length === 0) return { kind: 'unreadable', reason: 'the file is empty' };
  let result: HeaderResult = { kind: 'not-an-image' };
  for (const length of HEADS) {
    if (length === HEAD_BYTES && !answersEarly(file.head)) continue;
    const head = length === HEAD_BYTES ? file.head : file.readAt(0, length);
    const tiff = isTiff(head);
    result = imageHeaderOf(tiff ? tiffWithDirectory(file, head) : head);
    if (result.kind !== 'unreadable' || head.length < length || tiff) return result;
  }
  return result;
}

/**
 * JPEG and PNG have their size before what a short head can cut off. Of a collection of pictures (AVIF,
 * ICO) a short head may hold only the smaller ones.
 */
function answersEarly(head: Buffer): boolean {
  return head[0] === 0xff || head[0] === 0x89 || head.length < HEAD_BYTES;
}

/** The size that the first bytes of an image tell. */
export function imageHeaderOf(head: Uint8Array): HeaderResult {
  const found = sizeOf(isSequence(head) ? asStill(head) : head);
  if (found instanceof Error) {
    return UNKNOWN_TYPE.test(found.message) || isUnknownStub(head)
      ? { kind: 'not-an-image' }
      : { kind: 'unreadable', reason: 'its header is truncated or damaged' };
  }
  const largest = [found, ...(found.images ?? [])].reduce((a, b) =>
    a.width * a.height >= b.width * b.height ? a : b,
  );
  const { width, height } = largest;
  const format = found.type ?? 'image';
  if (format === 'svg')
    return { kind: 'unreadable', reason: 'SVG has no pixels: render it to PNG' };
  if (![width, height].every((side) => Number.isSafeInteger(side) && side > 0)) {
    return { kind: 'unreadable', reason: `its header says ${width}x${height} pixels` };
  }
  const orientation = found.orientation ?? 1;
  const turned = orientation >= FIRST_TURNED && orientation <= LAST_TURNED;
  return {
    kind: 'image',
    format,
    turned,
    ...(turned ? { width: height, height: width } : { width, height }),
  };
}

const BRAND = 8;

/** An AVIF with a film of pictures in it: image-size knows that of a single one only. */
function isSequence(head: Uint8Array): boolean {
  return head[4] === 0x66 && Buffer.from(head.subarray(4, 12)).toString('latin1') === 'ftypavis';
}

/** The picture that stands for the sequence is described as in a still one. */
function asStill(head: Uint8Array): Uint8Array {
  const still = new Uint8Array(head);
  still.set(Buffer.from('avif'), BRAND);
  return still;
}

const UNKNOWN_TYPE = /(unsupported|disabled) file type/i;
const STUB_BYTES = 64;

function sizeOf(bytes: Uint8Array): ReturnType<typeof imageSize> | Error {
  try {
    // image-size reads past the end of a view into whatever memory lies behind it: a view of a part gets
    // a copy of its own.
    const whole = bytes.byteLength === bytes.buffer.byteLength;
    return imageSize(whole ? bytes : new Uint8Array(bytes));
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** image-size's detection itself runs off the end of a few bytes: zeros behind them let it answer. */
function isUnknownStub(head: Uint8Array): boolean {
  if (head.length >= STUB_BYTES) return false;
  const padded = new Uint8Array(STUB_BYTES);
  padded.set(head);
  const found = sizeOf(padded);
  return found instanceof Error && UNKNOWN_TYPE.test(found.message);
}

function isTiff(head: Uint8Array): boolean {
  const signature = Buffer.from(head.subarray(0, 4)).toString('latin1');
  return ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].includes(signature);
}

/**
 * A TIFF's directory usually stands at the end of the file: this makes a small TIFF of the header and
 * the directory alone, which is where width and height are.
 */
function tiffWithDirectory(file: OpenFile, head: Buffer): Buffer {
  const little = head[0] === 0x49;
  const big = (little ? head[2] : head[3]) === 0x2b;
  const bytes = big ? 16 : 8;
  if (head.length < bytes) return head;
  const header = Buffer.from(head.subarray(0, bytes));
  const start = big
    ? Number(little ? header.readBigUInt64LE(8) : header.readBigUInt64BE(8))
    : little
      ? header.readUInt32LE(4)
      : header.readUInt32BE(4);
  if (!Number.isSafeInteger(start)) return head;
  if (big) {
    if (little) header.writeBigUInt64LE(BigInt(bytes), 8);
    else header.writeBigUInt64BE(BigInt(bytes), 8);
  } else if (little) header.writeUInt32LE(bytes, 4);
  else header.writeUInt32BE(bytes, 4);
  return Buffer.concat([header, file.readAt(start, TIFF_DIRECTORY_BYTES)]);
}
