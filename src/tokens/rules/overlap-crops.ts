import { z } from 'zod';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const params = z.strictObject({
  cropSize: z.int().positive().describe('side of one crop, pixels'),
  patchSize: z.int().positive(),
  margin: z.int().nonnegative().describe('patches by which a crop overlaps on each side'),
  pool: z.int().positive().describe('side of the square of patches that becomes one token'),
  maxCrops: z.int().positive(),
});
type Params = z.output<typeof params>;
type Grid = { readonly columns: number; readonly rows: number };

/**
 * Molmo: an overview, and crops that overlap, pooled as one picture; every row of tokens ends in one more,
 * and both views stand between two tokens, which are counted here (`get_tokens` and `select_tiling`,
 * vllm/model_executor/models/molmo.py).
 */
export const overlapCrops = defineTokenRule({
  id: 'overlap-crops',
  params,
  count: (size, use) => {
    const grid = cropGrid(size, use);
    const side = Math.ceil(use.cropSize / use.patchSize / use.pool);
    const across = cellsOf(grid.columns, use);
    const down = cellsOf(grid.rows, use);
    return {
      tokens: side * (side + 1) + 2 + down * (across + 1) + 2,
      detail: `overview ${side}x${side} + ${grid.columns}x${grid.rows} crops, ${across}x${down} cells + ${side + down} row ends + 4`,
    };
  },
  resize: (size, use) => {
    const grid = cropGrid(size, use);
    const whole = (crops: number) => crops * windowOf(use) + marginOf(use);
    return {
      width: whole(grid.columns),
      height: whole(grid.rows),
      tiles: { ...grid, thumbnail: true },
    };
  },
});

/** Pixels of both margins of a crop. */
function marginOf({ margin, patchSize }: Params): number {
  return 2 * margin * patchSize;
}

/** Pixels of a crop that no neighbour sees. */
function windowOf(use: Params): number {
  return Math.floor(use.cropSize / use.patchSize) * use.patchSize - marginOf(use);
}

/** Tokens across so many crops: what a neighbour sees as well is dropped, and each rest is filled up. */
function cellsOf(crops: number, use: Params): number {
  const { patchSize, margin, pool } = use;
  const filled = (patches: number) => Math.ceil(patches / pool);
  if (crops === 1) return filled(Math.floor(use.cropSize / patchSize));
  const inner = windowOf(use) / patchSize;
  return 2 * filled(inner + margin) + (crops - 2) * filled(inner);
}

/** The grid that enlarges the picture least, or where all shrink it the one that shrinks it least. */
function cropGrid({ width, height }: ImageSize, use: Params): Grid {
  const seen = { width: width - marginOf(use), height: height - marginOf(use) };
  const window = windowOf(use);
  let best: Grid = { columns: 1, rows: 1 };
  let scale = Number.NaN;
  for (const grid of candidates(use.maxCrops)) {
    // float32 as in numpy; a picture within the margins makes it infinite or negative.
    const across = Math.fround((grid.columns * window) / seen.width);
    const down = Math.fround((grid.rows * window) / seen.height);
    const own = Math.min(across, down);
    const better = scale >= 1 ? own >= 1 && own < scale : own > scale;
    if (Number.isNaN(scale) || better) {
      best = grid;
      scale = own;
    }
  }
  return best;
}

/** Every grid of at most so many crops, fewest first, low before high. */
function candidates(maxCrops: number): Grid[] {
  const grids: Grid[] = [];
  for (let crops = 1; crops <= maxCrops; crops++) {
    for (let rows = 1; rows <= crops; rows++) {
      if (crops % rows === 0) grids.push({ columns: crops / rows, rows });
    }
  }
  return grids;
}
