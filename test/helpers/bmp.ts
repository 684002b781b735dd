export type BmpSpec = {
  readonly width: number;
  readonly height: number;
  readonly bits: 1 | 4 | 8 | 16 | 24 | 32;
  readonly topDown?: boolean;
};

/** A bitmap whose first row is white and whose others are black. */
export function bmpBytes({ width, height, bits, topDown = false }: BmpSpec): Buffer {
  const colours = bits <= 8 ? 2 ** bits : 0;
  const stride = Math.ceil((width * bits) / 32) * 4;
  const start = 54 + 4 * colours;
  const file = Buffer.alloc(start + stride * height);
  file.write('BM');
  file.writeUInt32LE(file.length, 2);
  file.writeUInt32LE(start, 10);
  file.writeUInt32LE(40, 14);
  file.writeInt32LE(width, 18);
  file.writeInt32LE(topDown ? -height : height, 22);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(bits, 28);
  // The last colour of a palette is white, all others are black.
  if (colours > 0) file.fill(0xff, start - 4, start);
  const first = topDown ? 0 : height - 1;
  file.fill(0xff, start + stride * first, start + stride * (first + 1));
  return file;
}
