import { z } from 'zod';
import type { TokenSettings } from '../settings.ts';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';
import { preservedSize } from './preserved-size.ts';

const params = z
  .strictObject({
    tileSize: z.int().positive().describe('side of one tile, pixels (`clip.vision.image_size`)'),
    patchSize: z.int().positive(),
    merge: z.int().positive(),
    longestEdge: z
      .int()
      .positive()
      .optional()
      .describe(
        'longer side after resizing, pixels (`clip.vision.preproc_image_size`); older files lack it',
      ),
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
 * an overview (llama.cpp b11118 mtmd-image.cpp, `mtmd_image_preprocessor_idefics3`). Token limits of the
 * command line bound the pixels before they are rounded to whole tiles, so the result may exceed them far.
 * Wrappers stand between the tiles, so they are counted here; a long strip under such limits has more rows
 * than a published vocabulary has names for, and costs more than this.
 */
export const idefics = defineTokenRule({
  id: 'idefics',
  params,
  count: (size, use, settings) => {
    const { columns, rows } = gridOf(size, use, settings);
    const tile = Math.floor(use.tileSize / use.patchSize / use.merge) ** 2;
    const cut = columns * rows;
    const tiles = cut === 0 ? 0 : cut * (tile + use.tileWrapper) + rows - 1;
    return {
      tokens: tiles + tile + use.overviewWrapper,
      detail: `${columns}x${rows} tiles + overview, ${tile} tokens each`,
    };
  },
  resize: (size, use, settings) => {
    const { columns, rows } = gridOf(size, use, settings);
    if (columns * rows === 0) return { width: use.tileSize, height: use.tileSize };
    return {
      width: columns * use.tileSize,
      height: rows * use.tileSize,
      tiles: { columns, rows, thumbnail: true },
    };
  },
});

/** A strip that the longest edge leaves no height has no tiles at all: 0 rows or columns. */
function gridOf(size: ImageSize, use: Params, settings: TokenSettings) {
  const { tileSize, longestEdge } = use;
  const { imageMinTokens, imageMaxTokens } = settings;
  if (longestEdge === undefined || imageMinTokens !== null || imageMaxTokens !== null) {
    const token = (use.patchSize * use.merge) ** 2;
    const whole = preservedSize(size, {
      align: tileSize,
      minPixels: (imageMinTokens ?? 0) * token,
      maxPixels: (imageMaxTokens ?? 0) * token,
      longestEdge: longestEdge ?? 0,
      arithmetic: 'c-float32',
    });
    return { columns: whole.width / tileSize, rows: whole.height / tileSize };
  }
  const ratio = size.width / size.height;
  const isWide = size.width >= size.height;
  const short = Math.trunc(isWide ? longestEdge / ratio : longestEdge * ratio);
  const long = Math.ceil(longestEdge / tileSize);
  const across = Math.ceil((short + (short % 2)) / tileSize);
  return isWide ? { columns: long, rows: across } : { columns: across, rows: long };
}
