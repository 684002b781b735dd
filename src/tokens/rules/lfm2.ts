import { z } from 'zod';
import { roundHalfEven } from '../../units.ts';
import { closestGrid } from './aspect-grid.ts';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';
import { smartResize } from './smart-resize.ts';
import type { TokenSettings } from '../settings.ts';

const params = z.strictObject({
  factor: z
    .int()
    .positive()
    .describe('patch size x merge: side of the square of one token, pixels'),
  patchSize: z.int().positive(),
  minTokens: z.int().positive(),
  maxTokens: z.int().positive().describe('of one picture that is not cut, and of the thumbnail'),
  tileSize: z.int().positive(),
  minTiles: z.int().positive(),
  maxTiles: z.int().positive(),
  arithmetic: z.enum(['c-float32', 'python']).default('c-float32'),
  tolerance: z.number().positive().describe('a picture is cut beyond so many times `maxTokens`'),
  tileWrapper: z.int().nonnegative().default(1).describe('tokens before each tile'),
  thumbnailWrapper: z.int().nonnegative().default(1),
});
type Params = z.output<typeof params>;

/**
 * LFM2-VL: one picture of bounded size, or tiles in the grid whose aspect ratio is nearest and a thumbnail
 * (llama.cpp b11118 mtmd-image.cpp, `mtmd_image_preprocessor_lfm2`; vllm/model_executor/models/lfm2_vl.py,
 * where only the arithmetic differs).
 */
export const lfm2 = defineTokenRule({
  id: 'lfm2',
  params,
  count: (size, use, settings) => {
    const whole = wholePicture(use).count(size, settings);
    if (!isCut(size, use, settings)) return whole;
    const { columns, rows } = gridOf(size, use);
    const tile = Math.floor(use.tileSize / use.factor) ** 2;
    return {
      tokens: columns * rows * (tile + use.tileWrapper) + use.thumbnailWrapper + whole.tokens,
      detail: `${columns}x${rows} tiles of ${tile} tokens + thumbnail of ${whole.tokens}`,
    };
  },
  resize: (size, use, settings) => {
    if (!isCut(size, use, settings)) return wholePicture(use).resize(size, settings);
    const grid = gridOf(size, use);
    return {
      width: grid.columns * use.tileSize,
      height: grid.rows * use.tileSize,
      tiles: { ...grid, thumbnail: true },
    };
  },
});

function wholePicture({ factor, minTokens, maxTokens, arithmetic }: Params) {
  const cell = factor * factor;
  return smartResize.bind({
    factor,
    minPixels: minTokens * cell,
    maxPixels: maxTokens * cell,
    arithmetic,
  });
}

function isCut({ width, height }: ImageSize, use: Params, settings: TokenSettings): boolean {
  const aligned = (side: number) =>
    Math.max(use.patchSize, roundHalfEven(side / use.factor) * use.factor);
  const limit = (settings.imageMaxTokens ?? use.maxTokens) * use.factor * use.factor;
  return aligned(width) * aligned(height) > limit * use.tolerance;
}

function gridOf(size: ImageSize, { tileSize, minTiles, maxTiles }: Params) {
  return closestGrid(size, { imageSize: tileSize, minTiles, maxTiles });
}
