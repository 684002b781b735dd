import { z } from 'zod';
import { closestGrid } from './aspect-grid.ts';
import { defineTokenRule } from './define.ts';

const params = z
  .strictObject({
    imageSize: z.int().positive().describe('side of one tile, pixels'),
    tokensPerTile: z.int().positive(),
    minTiles: z.int().positive(),
    maxTiles: z.int().positive().describe('`max_dynamic_patch`'),
    thumbnail: z.boolean().describe('one tile more with the whole picture when it is cut'),
  })
  .refine(({ minTiles, maxTiles }) => minTiles <= maxTiles, 'minTiles exceeds maxTiles');

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
