import { crc32, deflateSync } from 'node:zlib';
import { randomOf } from './asking.ts';

/** A small PNG of noise with pixels of its own for each seed, some 100 us of work. */
export function tinyPng(seed: number, width = 48, height = 36): Buffer {
  const random = randomOf(seed);
  const stride = 1 + width * 3;
  const rows = Buffer.alloc(height * stride);
  for (let at = 0; at < rows.length; at++) rows[at] = at % stride === 0 ? 0 : random() * 256;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // 8 bits, RGB.
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(rows, { level: 1 })),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A chunk with its length and checksum. */
export function pngChunk(type: string, data: Buffer): Buffer {
  const whole = Buffer.alloc(12 + data.length);
  whole.writeUInt32BE(data.length, 0);
  whole.write(type, 4, 'latin1');
  data.copy(whole, 8);
  whole.writeUInt32BE(crc32(whole.subarray(4, 8 + data.length)), 8 + data.length);
  return whole;
}
