import { z } from 'zod';
import { roundHalfEven } from '../../units.ts';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';
import { sliceGrid } from './minicpm.ts';

const params = z.strictObject({
  sliceSize: z.int().positive().describe('side of one slice, pixels (`clip.vision.image_size`)'),
  cell: z.int().positive().describe('patch size x merge: side of the square of one token, pixels'),
  step: z.int().positive().describe('both sides are whole multiples of it, pixels'),
  maxSlices: z.int().positive().default(9),
  sliceWrapper: z.int().nonnegative().default(2).describe('tokens around each slice'),
});
type Params = z.output<typeof params>;
type Cut = { readonly overview: ImageSize; readonly slice: ImageSize; readonly grid: ImageSize };

/**
 * MiniCPM-V 4.6: cut as its predecessors, but overview and slices keep their aspect ratio and cost a token
 * for each cell; a picture of no more than one slice is brought to its area (llama.cpp b11669;
 * `mtmd_image_preprocessor_minicpmv` in mtmd-image.cpp).
 */
export const minicpmCells = defineTokenRule({
  id: 'minicpm-cells',
  params,
  count: (size, use) => {
    const { overview, slice, grid } = cutOf(size, use);
    const seen = cells(overview, use);
    const slices = grid.width * grid.height;
    if (slices === 0) return { tokens: seen, detail: `overview of ${seen} tokens` };
    const each = cells(slice, use);
    return {
      tokens: seen + slices * (each + use.sliceWrapper) + grid.height - 1,
      detail: `overview of ${seen} tokens + ${grid.width}x${grid.height} slices of ${each}`,
    };
  },
  resize: (size, use) => {
    const { overview, slice, grid } = cutOf(size, use);
    if (grid.width === 0) return overview;
    return {
      width: grid.width * slice.width,
      height: grid.height * slice.height,
      tiles: { columns: grid.width, rows: grid.height, thumbnail: true },
    };
  },
});

const NOTHING: ImageSize = { width: 0, height: 0 };

function cells({ width, height }: ImageSize, { cell }: Params): number {
  return (width / cell) * (height / cell);
}

function cutOf(size: ImageSize, use: Params): Cut {
  const area = use.sliceSize * use.sliceSize;
  const ratio = Math.fround(Math.fround(Math.fround(size.width) * size.height) / area);
  if (ratio <= 1) {
    return { overview: sliceOf(size, use, true), slice: NOTHING, grid: NOTHING };
  }
  const { columns, rows } = sliceGrid(size, use) ?? { columns: 1, rows: 1 };
  const share = {
    width: whole(size.width, columns) / columns,
    height: whole(size.height, rows) / rows,
  };
  return {
    overview: sliceOf(size, use, false),
    slice: sliceOf(share, use, true),
    grid: { width: columns, height: rows },
  };
}

/** Whole steps of `step` pixels, at least one (`ensure_divide`). */
function whole(length: number, step: number): number {
  return Math.max(roundHalfEven(Math.fround(length / step)) * step, step);
}

/** The area of one slice in the picture's own aspect ratio, float32 as in C (`get_best_resize`). */
function sliceOf({ width, height }: ImageSize, { sliceSize, step }: Params, always: boolean) {
  if (width * height <= sliceSize * sliceSize && !always) {
    return { width: whole(width, step), height: whole(height, step) };
  }
  const ratio = Math.fround(width / height);
  const scaled = Math.trunc(Math.fround(sliceSize / Math.fround(Math.sqrt(ratio))));
  return {
    width: whole(Math.trunc(Math.fround(scaled * ratio)), step),
    height: whole(scaled, step),
  };
}
