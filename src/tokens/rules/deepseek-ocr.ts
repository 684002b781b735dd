import { z } from 'zod';
import { closestGrid } from './aspect-grid.ts';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const params = z.strictObject({
  globalSide: z.int().positive().describe('tokens of a side of the overview'),
  tileSize: z.int().positive().describe('side of one tile, pixels'),
  tileSide: z.int().positive().describe('tokens of a side of one tile'),
  newlines: z.boolean().describe('a newline token after each row of tokens (first generation)'),
  minTiles: z.int().positive(),
  maxTiles: z.int().positive(),
});
type Params = z.output<typeof params>;

/**
 * DeepSeek-OCR: an overview with one separator token, and for a picture beyond one tile a grid of tiles
 * laid out as one large page (llama.cpp b11118 models/deepseekocr.cpp, deepseekocr2.cpp and
 * `mtmd_image_preprocessor_deepseekocr`).
 */
export const deepseekOcr = defineTokenRule({
  id: 'deepseek-ocr',
  params,
  count: (size, use) => {
    const grid = gridOf(size, use);
    const more = use.newlines ? 1 : 0;
    const overview = use.globalSide * (use.globalSide + more) + 1;
    if (grid === null) return { tokens: overview, detail: `overview of ${overview} tokens` };
    const { columns, rows } = grid;
    const page = (use.tileSide * columns + more) * use.tileSide * rows;
    return {
      tokens: overview + page,
      detail: `overview + ${columns}x${rows} tiles, ${page} tokens`,
    };
  },
  resize: (size, use) => {
    const grid = gridOf(size, use) ?? { columns: 1, rows: 1 };
    return {
      width: grid.columns * use.tileSize,
      height: grid.rows * use.tileSize,
      tiles: { ...grid, thumbnail: true },
    };
  },
});

function gridOf(size: ImageSize, { tileSize, minTiles, maxTiles }: Params) {
  if (size.width <= tileSize && size.height <= tileSize) return null;
  return closestGrid(size, { imageSize: tileSize, minTiles, maxTiles });
}
