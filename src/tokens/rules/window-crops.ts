import { z } from 'zod';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const positive = z.int().positive();
const params = z.strictObject({
  imageSize: positive.describe('side of the overview, pixels'),
  cropSize: positive.describe('side of a crop, pixels'),
  cell: positive.describe('patch size x merge: side of the square of one token, pixels'),
  longestEdge: positive.describe('a longer picture is shrunk to it first, pixels'),
  cropWrapper: z.int().nonnegative().default(2).describe('tokens around each crop'),
});
type Params = z.output<typeof params>;

/** A picture thinner than this and longer than `WIDE` times its other side is squared first, pixels. */
const THIN = 32;
const WIDE = 4;
/** Beyond this ratio a picture within the overview is cut, too. */
const SMALL = 1.5;
/** A rest of more than so much of a window is stretched to a whole one. */
const REST = Math.fround(0.2);

/**
 * Step3-VL: windows cut out of the picture as it is, a newline between their rows, then an overview
 * (llama.cpp b11118 mtmd-image.cpp, `mtmd_image_preprocessor_step3vl`).
 */
export const windowCrops = defineTokenRule({
  id: 'window-crops',
  params,
  count: (size, use) => {
    const { columns, rows } = gridOf(size, use);
    const overview = Math.floor(use.imageSize / use.cell) ** 2;
    if (columns === 0) return { tokens: overview, detail: `overview of ${overview} tokens` };
    const crop = Math.floor(use.cropSize / use.cell) ** 2;
    return {
      tokens: overview + columns * rows * (crop + use.cropWrapper) + rows - 1,
      detail: `${columns}x${rows} crops of ${crop} tokens + overview of ${overview}`,
    };
  },
  resize: (size, use) => {
    const { columns, rows } = gridOf(size, use);
    if (columns === 0) return { width: use.imageSize, height: use.imageSize };
    return {
      width: columns * use.cropSize,
      height: rows * use.cropSize,
      tiles: { columns, rows, thumbnail: true },
    };
  },
});

function gridOf(size: ImageSize, use: Params): { columns: number; rows: number } {
  const prepared = prepare(size, use);
  const window = windowOf(prepared, use);
  if (window === 0) return { columns: 0, rows: 0 };
  const crops = (side: number) => {
    const extent = cropExtent(side, window);
    return extent <= window ? 1 : Math.ceil(Math.fround((extent - window) / window + 1));
  };
  return { columns: crops(prepared.width), rows: crops(prepared.height) };
}

function prepare({ width, height }: ImageSize, { longestEdge }: Params): ImageSize {
  const ratio = Math.fround(width / height);
  const thin = Math.min(width, height) < THIN && (ratio > WIDE || ratio < 1 / WIDE);
  const square = Math.max(width, height);
  const whole = thin ? { width: square, height: square } : { width, height };
  if (square <= longestEdge) return whole;
  const scale = Math.fround(longestEdge / square);
  const side = (length: number) => Math.max(1, Math.floor(Math.fround(length * scale)));
  return { width: side(whole.width), height: side(whole.height) };
}

/** Side of a window, pixels; 0 where the overview shows the picture well enough. */
function windowOf({ width, height }: ImageSize, { imageSize, cropSize }: Params): number {
  const longer = Math.max(width, height);
  const shorter = Math.min(width, height);
  const ratio = Math.fround(longer / shorter);
  if (longer <= imageSize) return ratio > SMALL ? shorter : 0;
  return ratio > WIDE ? Math.min(shorter, cropSize) : cropSize;
}

function cropExtent(length: number, window: number): number {
  const ratio = Math.fround(length / window);
  if (ratio < 1) return length;
  const whole = Math.floor(ratio);
  return window * (Math.fround(ratio - whole) > REST ? whole + 1 : whole);
}
