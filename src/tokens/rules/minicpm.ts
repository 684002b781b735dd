import { z } from 'zod';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

type Grid = { readonly columns: number; readonly rows: number };

const params = z.strictObject({
  sliceSize: z.int().positive().describe('side of one slice, pixels (`clip.vision.image_size`)'),
  queries: z.int().positive().describe('tokens of one slice'),
  maxSlices: z.int().positive().default(9),
  cutBy: z
    .enum(['side', 'area'])
    .default('side')
    .describe('cut where a side exceeds a slice (llama.cpp), or where the area does (vLLM)'),
  sliceWrapper: z.int().nonnegative().default(2).describe('tokens around each slice'),
  gridWrapper: z
    .int()
    .nonnegative()
    .default(0)
    .describe('tokens around all slices together (MiniCPM-V 2.5)'),
  rowBreaks: z.boolean().default(true).describe('a newline token between two rows of slices'),
});
type Params = z.output<typeof params>;

/**
 * MiniCPM-V 2.5 to 4.5 as llama.cpp cuts it: an overview, and where a side exceeds one slice a grid whose
 * aspect ratio is nearest on a logarithmic scale (llama.cpp b11118 mtmd-image.cpp, `get_slice_instructions`
 * and `get_best_grid`); the model's own processor leaves a long strip of little area whole. The overview's
 * own wrapper is the caller's.
 */
export const minicpm = defineTokenRule({
  id: 'minicpm',
  params,
  count: (size, use) => {
    const grid = gridOf(size, use);
    if (grid === null) return { tokens: use.queries, detail: `overview of ${use.queries} tokens` };
    const { columns, rows } = grid;
    const slices = columns * rows;
    const breaks = use.rowBreaks ? rows - 1 : 0;
    return {
      tokens: use.queries + slices * (use.queries + use.sliceWrapper) + breaks + use.gridWrapper,
      detail: `overview + ${columns}x${rows} slices, ${use.queries} tokens each`,
    };
  },
  resize: (size, use) => {
    const grid = gridOf(size, use);
    const side = use.sliceSize;
    if (grid === null) return { width: side, height: side };
    return {
      width: grid.columns * side,
      height: grid.rows * side,
      tiles: { ...grid, thumbnail: true },
    };
  },
});

function gridOf(size: ImageSize, use: Params): Grid | null {
  const isSmall = size.width * size.height <= use.sliceSize ** 2;
  return use.cutBy === 'area' && isSmall ? null : sliceGrid(size, use);
}

/** Null for a picture that one slice holds. Logarithm and area are float32 as in C. */
export function sliceGrid(
  { width, height }: ImageSize,
  { sliceSize, maxSlices }: Pick<Params, 'sliceSize' | 'maxSlices'>,
): Grid | null {
  if (width <= sliceSize && height <= sliceSize) return null;
  const ratio = Math.fround(Math.fround(Math.fround(width) * height) / (sliceSize * sliceSize));
  const multiple = Math.min(Math.ceil(ratio), maxSlices);
  const wanted = Math.fround(Math.log(Math.fround(Math.fround(width) / height)));
  let best: Grid = { columns: 1, rows: 1 };
  let nearest = Number.POSITIVE_INFINITY;
  for (const slices of [multiple - 1, multiple, multiple + 1]) {
    if (slices === 1 || slices > maxSlices) continue;
    for (let columns = 1; columns <= slices; columns++) {
      if (slices % columns !== 0) continue;
      const rows = slices / columns;
      const error = Math.fround(Math.abs(wanted - Math.log(columns / rows)));
      if (error < nearest) {
        best = { columns, rows };
        nearest = error;
      }
    }
  }
  return best;
}
