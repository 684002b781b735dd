import type { Picture } from './jobs.ts';
import { JobError, withinPixels } from './jobs.ts';

/**
 * Windows bitmaps: 1 to 32 bits a pixel, with masks, upside down or not, without compression. The run
 * lengths of 1990 are refused, as stb_image does, which llama.cpp reads pictures with.
 */
export function decodeBmp(file: Uint8Array, maxPixels: number): Picture {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const head = headerOf(view);
  withinPixels(head.width, head.height, maxPixels);
  const stride = Math.ceil((head.width * head.bits) / 32) * 4;
  if (head.start + stride * head.height > file.byteLength) throw damaged('it is truncated');
  const pixel = head.bits <= 8 ? indexed(view, head) : masked(view, head);
  const data = new Uint8Array(head.width * head.height * 3);
  let to = 0;
  for (let row = 0; row < head.height; row++) {
    const from = head.start + stride * (head.topDown ? row : head.height - 1 - row);
    for (let column = 0; column < head.width; column++) {
      const rgb = pixel(from, column);
      data[to] = rgb >> 16;
      data[to + 1] = (rgb >> 8) & 0xff;
      data[to + 2] = rgb & 0xff;
      to += 3;
    }
  }
  return { width: head.width, height: head.height, channels: 3, data };
}

type Header = {
  readonly width: number;
  readonly height: number;
  readonly topDown: boolean;
  readonly bits: number;
  /** Where the pixels start. */
  readonly start: number;
  readonly masks: readonly [number, number, number];
  readonly palette: { readonly at: number; readonly entry: 3 | 4; readonly colours: number };
};

/** Red, green, blue as 0xRRGGBB. */
type PixelAt = (row: number, column: number) => number;

const FILE_HEAD = 14;
const CORE_HEAD = 12;
const INFO_HEAD = 40;
const PLAIN = 0;
const WITH_MASKS = 3;

function headerOf(view: DataView): Header {
  if (view.byteLength < FILE_HEAD + CORE_HEAD) throw damaged('it is truncated');
  const start = view.getUint32(10, true);
  const size = view.getUint32(14, true);
  if (size === CORE_HEAD) return coreHeader(view, start);
  if (size < INFO_HEAD || view.byteLength < FILE_HEAD + INFO_HEAD) {
    throw damaged(`its header has ${size} bytes`);
  }
  const height = view.getInt32(22, true);
  const bits = view.getUint16(28, true);
  const compression = view.getUint32(30, true);
  const given = view.getUint32(46, true);
  if (compression !== PLAIN && !(compression === WITH_MASKS && (bits === 16 || bits === 32))) {
    throw damaged('it is a compressed BMP: send PNG or JPEG');
  }
  return {
    ...{ width: view.getInt32(18, true), height: Math.abs(height), topDown: height < 0 },
    ...{ bits: checkBits(bits), start },
    masks: compression === WITH_MASKS ? givenMasks(view) : usualMasks(bits),
    palette: {
      at: FILE_HEAD + size,
      entry: 4,
      colours: given === 0 ? 2 ** Math.min(bits, 8) : given,
    },
  };
}

/** OS/2's first bitmaps. */
function coreHeader(view: DataView, start: number): Header {
  const bits = checkBits(view.getUint16(24, true));
  const height = view.getInt16(20, true);
  return {
    ...{ width: view.getUint16(18, true), height: Math.abs(height), topDown: height < 0 },
    ...{ bits, start, masks: usualMasks(bits) },
    palette: { at: FILE_HEAD + CORE_HEAD, entry: 3, colours: 2 ** Math.min(bits, 8) },
  };
}

function checkBits(bits: number): number {
  if ([1, 4, 8, 16, 24, 32].includes(bits)) return bits;
  throw damaged(`it has ${bits} bits a pixel`);
}

/** They stand where the longer headers have them, too. */
function givenMasks(view: DataView): Header['masks'] {
  if (view.byteLength < FILE_HEAD + INFO_HEAD + 12) throw damaged('it is truncated');
  const at = (index: number) => view.getUint32(FILE_HEAD + INFO_HEAD + 4 * index, true);
  return [at(0), at(1), at(2)];
}

function usualMasks(bits: number): Header['masks'] {
  return bits === 16 ? [0x7c00, 0x3e0, 0x1f] : [0xff0000, 0xff00, 0xff];
}

function indexed(view: DataView, { bits, palette, start }: Header): PixelAt {
  const { at, entry } = palette;
  // A palette may not reach into the pixels.
  const colours = Math.min(palette.colours, 256, Math.floor((start - at) / entry));
  const table = Array.from({ length: Math.max(0, colours) }, (_, index) => {
    const from = at + index * entry;
    if (from + 3 > view.byteLength) throw damaged('it is truncated');
    return (view.getUint8(from + 2) << 16) | (view.getUint8(from + 1) << 8) | view.getUint8(from);
  });
  const perByte = 8 / bits;
  const mask = 2 ** bits - 1;
  return (row, column) => {
    const byte = view.getUint8(row + Math.floor(column / perByte));
    const shift = bits * (perByte - 1 - (column % perByte));
    return table[(byte >> shift) & mask] ?? 0;
  };
}

function masked(view: DataView, { bits, masks }: Header): PixelAt {
  if (bits === 24) {
    return (row, column) => {
      const at = row + 3 * column;
      return (view.getUint8(at + 2) << 16) | view.getUint16(at, true);
    };
  }
  const [red, green, blue] = masks.map(channel) as [Channel, Channel, Channel];
  return (row, column) => {
    const value =
      bits === 16 ? view.getUint16(row + 2 * column, true) : view.getUint32(row + 4 * column, true);
    return (red(value) << 16) | (green(value) << 8) | blue(value);
  };
}

type Channel = (value: number) => number;

/** The bits under a mask, stretched to 0 to 255. */
function channel(mask: number): Channel {
  if (mask === 0) return () => 0;
  const shift = 31 - Math.clz32(mask & -mask);
  const most = mask >>> shift;
  return (value) => Math.round((((value & mask) >>> shift) * 255) / most);
}

function damaged(why: string): JobError {
  return new JobError({ kind: 'damaged', why });
}
