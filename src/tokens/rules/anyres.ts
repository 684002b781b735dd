import { z } from 'zod';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';
import { mostEffectiveGrid } from './effective-tiles.ts';

const params = z.strictObject({
  imageSize: z.int().positive().describe('side of one tile, pixels'),
  patchSize: z.int().positive(),
  tileSide: z
    .int()
    .positive()
    .optional()
    .describe('tokens of a side of one tile, where they are not its patches (Granite 4 Vision)'),
  arithmetic: z.enum(['c-float32', 'python']).default('python'),
  grids: z.array(z.strictObject({ columns: z.int().positive(), rows: z.int().positive() })).min(1),
});
type Params = z.output<typeof params>;

/**
 * LLaVA-NeXT in transformers and vLLM: an overview, the tiles with the padding cut away again, and one
 * newline token per row of patches (`get_image_features`, `unpad_image` in modeling_llava_next.py).
 * Granite 4 Vision is so in llama.cpp, too (b11118 `clip_anyres_unpad` in clip-impl.h).
 */
export const anyres = defineTokenRule({
  id: 'anyres',
  params,
  count: (size, use) => {
    const side = use.tileSide ?? Math.floor(use.imageSize / use.patchSize);
    const { columns, rows } = bestGrid(size, use);
    const kept = unpad(size, columns * side, rows * side);
    return {
      tokens: side * side + kept.width * kept.height + kept.height,
      detail: `overview ${side}x${side} + ${kept.width}x${kept.height} patches of ${columns}x${rows} tiles + ${kept.height} newlines`,
    };
  },
  resize: (size, use) => {
    const { columns, rows } = bestGrid(size, use);
    return {
      width: columns * use.imageSize,
      height: rows * use.imageSize,
      tiles: { columns, rows, thumbnail: true },
    };
  },
});

function bestGrid(size: ImageSize, { imageSize, grids, arithmetic }: Params) {
  const first = grids[0] ?? { columns: 1, rows: 1 };
  if (arithmetic === 'c-float32') return mostEffectiveGrid(size, imageSize, grids) ?? first;
  const { width, height } = size;
  let best = first;
  let most = -1;
  let leastWaste = Number.POSITIVE_INFINITY;
  for (const grid of grids) {
    const scale = Math.min((grid.columns * imageSize) / width, (grid.rows * imageSize) / height);
    const pixels = Math.min(Math.trunc(width * scale) * Math.trunc(height * scale), width * height);
    const waste = grid.columns * grid.rows * imageSize * imageSize - pixels;
    if (pixels > most || (pixels === most && waste < leastWaste)) {
      best = grid;
      most = pixels;
      leastWaste = waste;
    }
  }
  return best;
}

/** Patches left of a `columns` x `rows` grid when the bars that squared the picture are cut off. */
function unpad({ width, height }: ImageSize, columns: number, rows: number): ImageSize {
  if (width / height > columns / rows) {
    const kept = Math.floor((height * columns) / width + ROUNDING);
    return { width: columns, height: rows - 2 * Math.floor((rows - kept) / 2) };
  }
  const kept = Math.floor((width * rows) / height + ROUNDING);
  return { width: columns - 2 * Math.floor((columns - kept) / 2), height: rows };
}

/** What the division lost must not cost a row: both implementations round to seven digits or add this. */
const ROUNDING = 1e-7;
