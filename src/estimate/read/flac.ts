import { audioInput } from '../describe-input.ts';
import { resampled } from './miniaudio.ts';
import type { OpenFile } from './open-file.ts';
import { openFile } from './open-file.ts';
import type { ReadableFile, ReadResult } from './types.ts';
import { unreadable } from './types.ts';

/**
 * FLAC by its own header (RFC 9639, 8.2), which has the length to the sample. Read here because the
 * library that reads the other formats never comes back from a stream of a single frame.
 */

const STREAM_INFO = 8;
const HEADER_BYTES = 42;
/** The longest frame of what players have to take, twice over. */
const TAIL_BYTES = 256 * 1024;

/** A stream whose frames end before the length that its header says is truncated. */
export function readFlac(file: ReadableFile): ReadResult {
  const open = openFile(file.absolute);
  try {
    return ofHeader(file, open);
  } finally {
    open.close();
  }
}

function ofHeader(file: ReadableFile, open: OpenFile): ReadResult {
  const { head } = open;
  if (head.length < HEADER_BYTES) return unreadable(file, 'its header is truncated');
  const maxBlock = head.readUInt16BE(STREAM_INFO + 2);
  const rate = head.readUIntBE(STREAM_INFO + 10, 3) >> 4;
  const samples =
    (head.readUInt8(STREAM_INFO + 13) & 0xf) * 2 ** 32 + head.readUInt32BE(STREAM_INFO + 14);
  if (rate === 0 || samples === 0) return unreadable(file, 'its header says no length');
  const tail = open.readAt(Math.max(0, file.bytes - TAIL_BYTES), TAIL_BYTES);
  const end = lastFrameEnd(tail, maxBlock);
  if (end === null || end < samples) {
    return unreadable(file, `truncated: ${end ?? 0} of ${samples} samples are there`);
  }
  const samples16k = resampled(samples, rate);
  return [audioInput(file.path, { seconds: samples / rate, format: 'flac', samples16k })];
}

/** The sample behind the last frame that starts in `tail`; null where none does. */
function lastFrameEnd(tail: Buffer, maxBlock: number): number | null {
  for (
    let at = tail.lastIndexOf(0xff);
    at >= 0;
    at = at === 0 ? -1 : tail.lastIndexOf(0xff, at - 1)
  ) {
    const end = frameEnd(tail.subarray(at, at + MAX_FRAME_HEAD), maxBlock);
    if (end !== null) return end;
  }
  return null;
}

const MAX_FRAME_HEAD = 16;

/** RFC 9639, 9.1; null where `bytes` are no frame's header. */
function frameEnd(bytes: Buffer, maxBlock: number): number | null {
  const [first, second = 0, third = 0, fourth = 0, coded = 0] = bytes;
  if (first !== 0xff || (second & 0xfe) !== 0xf8 || (fourth & 1) !== 0) return null;
  const more = coded < 0x80 ? 0 : Math.clz32(~coded << 24) - 1;
  if (more < 0 || more > 6) return null;
  const [blockCode, rateCode] = [third >> 4, third & 0xf];
  const behind = 5 + more;
  const blockBytes = blockCode === 6 ? 1 : blockCode === 7 ? 2 : 0;
  const rateBytes = rateCode === 12 ? 1 : rateCode === 13 || rateCode === 14 ? 2 : 0;
  const checkAt = behind + blockBytes + rateBytes;
  if (checkAt >= bytes.length || crc8(bytes.subarray(0, checkAt)) !== bytes[checkAt]) return null;
  let number = more === 0 ? coded : coded & (0x3f >> more);
  for (const byte of bytes.subarray(5, behind)) number = number * 64 + (byte & 0x3f);
  const block = blockBytes === 0 ? blockSize(blockCode) : bytes.readUIntBE(behind, blockBytes) + 1;
  // The number is that of a sample where blocks differ in size, else that of a frame.
  return (second & 1) === 1 ? number + block : number * maxBlock + block;
}

/** RFC 9639, table 14. */
function blockSize(code: number): number {
  if (code === 1) return 192;
  return code < 6 ? 144 * 2 ** code : 2 ** code;
}

function crc8(bytes: Buffer): number {
  let value = 0;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = ((value << 1) ^ (value & 0x80 ? 0x07 : 0)) & 0xff;
  }
  return value;
}
