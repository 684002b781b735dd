import { z } from 'zod';
import { closestGrid } from './aspect-grid.ts';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const params = z.strictObject({
  cropSize: z.int().positive().describe('side of one crop, pixels'),
  patchSize: z.int().positive(),
  maxCrops: z.int().positive().describe('`dynamic_hd`'),
});
type Params = z.output<typeof params>;

/** Squares of so many patches become one token. */
const MERGE = 2;

/**
 * Phi-4-multimodal under vLLM: an overview, and as many crops as hold the picture, without the tokens of
 * the padding. A newline ends every row of tokens, a separator stands between the two views (`preprocess`
 * and `dynamic_preprocess`, vllm/model_executor/models/phi4mm.py).
 */
export const dynamicHd = defineTokenRule({
  id: 'dynamic-hd',
  params,
  count: (size, use) => {
    const { columns, rows } = seenPatches(size, use);
    const wide = Math.ceil(columns / MERGE);
    const high = Math.ceil(rows / MERGE);
    const side = Math.floor(use.cropSize / use.patchSize / MERGE);
    return {
      tokens: side * (side + 1) + 1 + high * (wide + 1),
      detail: `overview ${side}x${side} + ${wide}x${high} cells + ${side + high} newlines + 1`,
    };
  },
  resize: (size, use) => {
    const { columns, rows } = cropGrid(size, use);
    return {
      width: columns * use.cropSize,
      height: rows * use.cropSize,
      tiles: { columns, rows, thumbnail: true },
    };
  },
});

/** Crops that hold the picture as it is; of a larger one the grid of the nearest aspect ratio. */
function cropGrid({ width, height }: ImageSize, { cropSize, maxCrops }: Params) {
  const columns = Math.ceil(width / cropSize);
  const rows = Math.ceil(height / cropSize);
  if (columns * rows <= maxCrops) return { columns, rows };
  return closestGrid({ width, height }, { imageSize: cropSize, minTiles: 1, maxTiles: maxCrops });
}

/** Patches of the crops that are not all padding; the padding is right or below. */
function seenPatches(size: ImageSize, use: Params): { columns: number; rows: number } {
  const grid = cropGrid(size, use);
  const width = grid.columns * use.cropSize;
  const height = grid.rows * use.cropSize;
  const [across, down] = [width / size.width, height / size.height];
  const right = across < down ? 0 : width - Math.trunc(size.width * down);
  const below = across < down ? height - Math.trunc(size.height * across) : 0;
  const seen = (side: number, padding: number) =>
    Math.max(1, Math.floor(side / use.patchSize) - Math.floor(padding / use.patchSize));
  return { columns: seen(width, right), rows: seen(height, below) };
}
