import { crc32, deflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

export type PngForm = {
  readonly width: number;
  readonly height: number;
  /** Bits a sample. */
  readonly bitDepth: number;
  /** 0 greyscale, 2 RGB, 3 palette; 4 and 6 with transparency. */
  readonly colourType: number;
};

/** A PNG file (RFC 2083) of `rows`, each with the byte of its filter before it; `level` is zlib's. */
export function pngOf(form: PngForm, rows: Buffer, level?: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(form.width, 0);
  header.writeUInt32BE(form.height, 4);
  // The last three: the one compression, filtering and order there is.
  header.set([form.bitDepth, form.colourType, 0, 0, 0], 8);
  return Buffer.concat([
    SIGNATURE,
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(rows, level === undefined ? {} : { level })),
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
