import { z } from 'zod';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const params = z
  .strictObject({
    tileSize: z.int().positive().describe('side of one tile, pixels (`clip.vision.image_size`)'),
    patchSize: z.int().positive(),
    merge: z.int().positive(),
    longestEdge: z
      .int()
      .positive()
      .describe('longer side after resizing, pixels (`clip.vision.preproc_image_size`)'),
    tileWrapper: z.int().nonnegative().default(2).describe('tokens before each tile'),
    overviewWrapper: z.int().nonnegative().default(4).describe('tokens around the overview'),
  })
  .refine(
    ({ tileSize, patchSize, merge }) => tileSize >= patchSize * merge,
    'a token exceeds a tile',
  );
type Params = z.output<typeof params>;

/**
 * Idefics3 and SmolVLM: the longer side becomes `longestEdge`, however small the picture, then tiles and
 * an overview (llama.cpp b11118 mtmd-image.cpp, `mtmd_image_preprocessor_idefics3`). Wrappers stand
 * between the tiles, so they are counted here.
 */
export const idefics = defineTokenRule({
  id: 'idefics',
  params,
  count: (size, use) => {
    const { columns, rows } = gridOf(size, use);
    const tile = Math.floor(use.tileSize / use.patchSize / use.merge) ** 2;
    const tiles = columns * rows * (tile + use.tileWrapper) + rows - 1;
    return {
      tokens: tiles + tile + use.overviewWrapper,
      detail: `${columns}x${rows} tiles + overview, ${tile} tokens each`,
    };
  },
  resize: (size, use) => {
    const grid = gridOf(size, use);
    return {
      width: grid.columns * use.tileSize,
      height: grid.rows * use.tileSize,
      tiles: { ...grid, thumbnail: true },
    };
  },
});

function gridOf({ width, height }: ImageSize, { tileSize, longestEdge }: Params) {
  const ratio = width / height;
  const isWide = width >= height;
  const short = Math.trunc(isWide ? longestEdge / ratio : longestEdge * ratio);
  const even = short + (short % 2);
  const long = Math.ceil(longestEdge / tileSize);
  // A strip of no height still makes a grid without rows in the engine; one row is what it can be.
  const across = Math.max(1, Math.ceil(even / tileSize));
  return isWide ? { columns: long, rows: across } : { columns: across, rows: long };
}
