import { z } from 'zod';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const params = z
  .strictObject({
    imageSize: z.int().positive().describe('side of one tile, pixels'),
    tokensPerTile: z.int().positive(),
    minTiles: z.int().positive(),
    maxTiles: z.int().positive().describe('`max_dynamic_patch`'),
    thumbnail: z.boolean().describe('one tile more with the whole picture when it is cut'),
  })
  .refine(({ minTiles, maxTiles }) => minTiles <= maxTiles, 'minTiles exceeds maxTiles');
type Params = z.output<typeof params>;

/**
 * InternVL as its own processor and vLLM cut it: the grid whose aspect ratio is nearest, small pictures
 * included (vllm/model_executor/models/internvl.py, `find_closest_aspect_ratio`).
 */
export const internvlAspect = defineTokenRule({
  id: 'internvl-aspect',
  params,
  count: (size, use) => {
    const { columns, rows } = closestGrid(size, use);
    const thumbnail = use.thumbnail && columns * rows > 1;
    return {
      tokens: (columns * rows + (thumbnail ? 1 : 0)) * use.tokensPerTile,
      detail: `${columns}x${rows} tiles${thumbnail ? ' + thumbnail' : ''}, ${use.tokensPerTile} tokens each`,
    };
  },
  resize: (size, use) => {
    const { columns, rows } = closestGrid(size, use);
    return {
      width: columns * use.imageSize,
      height: rows * use.imageSize,
      tiles: { columns, rows, thumbnail: use.thumbnail && columns * rows > 1 },
    };
  },
});

/** On a tie the larger grid wins when the picture has more than half of its pixels. */
function closestGrid({ width, height }: ImageSize, { imageSize, minTiles, maxTiles }: Params) {
  let best = { columns: 1, rows: 1 };
  let nearest = Number.POSITIVE_INFINITY;
  for (const grid of aspectGrids(minTiles, maxTiles)) {
    const difference = Math.abs(width / height - grid.columns / grid.rows);
    const half = 0.5 * imageSize * imageSize * grid.columns * grid.rows;
    if (difference < nearest || (difference === nearest && width * height > half)) best = grid;
    nearest = Math.min(nearest, difference);
  }
  return best;
}

/** Every grid of minTiles to maxTiles tiles, fewest tiles first, narrow before wide. */
function aspectGrids(minTiles: number, maxTiles: number) {
  const grids: { columns: number; rows: number }[] = [];
  for (let tiles = minTiles; tiles <= maxTiles; tiles++) {
    for (let columns = 1; columns <= tiles; columns++) {
      if (tiles % columns === 0) grids.push({ columns, rows: tiles / columns });
    }
  }
  return grids;
}
