import { z } from 'zod';
import { MmdeployError } from '../../errors.ts';
import type { TokenSettings } from '../settings.ts';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const params = z.strictObject({
  base: z.int().nonnegative().describe('tokens of every image, and all of `detail: low`'),
  tile: z.int().positive().describe('tokens of each 512 px tile'),
  fit: z.int().positive().default(2048).describe('the picture is first fitted into this square'),
  shortSide: z.int().positive().default(768).describe('a longer short side is shrunk to this'),
});
type Params = z.output<typeof params>;

const TILE = 512;

/**
 * OpenAI's tile models (GPT-4V, GPT-4o, GPT-4.1, GPT-5, o1, o3): fit into 2048x2048, shrink the short
 * side to 768, count 512 px tiles. Small pictures are not enlarged (developers.openai.com, guide
 * "images and vision", 2026-09). `detail: auto` counts as `high`: which one the vendor picks is not published.
 */
export const openaiTile = defineTokenRule({
  id: 'openai-tile',
  params,
  count: (size, use, settings) => {
    if (isLow(settings)) return { tokens: use.base, detail: 'detail low' };
    const { width, height } = fitTiles(size, use);
    const columns = Math.ceil(width / TILE);
    const rows = Math.ceil(height / TILE);
    return {
      tokens: use.base + use.tile * columns * rows,
      detail: `${use.base} + ${columns}x${rows} tiles of ${use.tile}`,
    };
  },
  resize: (size, use, settings) =>
    isLow(settings) ? { width: TILE, height: TILE } : fitTiles(size, use),
});

function isLow({ detail }: TokenSettings): boolean {
  if (detail !== 'original') return detail === 'low';
  throw new MmdeployError('input.invalid', '`--detail original` is not a detail of this model', {
    hints: ['use `mmdeploy estimate --detail low`, `high` or `auto`'],
  });
}

function fitTiles(size: ImageSize, use: Params): ImageSize {
  const fitted = shrink(size, use.fit / Math.max(size.width, size.height));
  return shrink(fitted, use.shortSide / Math.min(fitted.width, fitted.height));
}

/** Scaled by `ratio` where that is below 1, whole pixels rounded down; one pixel always stays. */
function shrink({ width, height }: ImageSize, ratio: number): ImageSize {
  if (ratio >= 1) return { width, height };
  return {
    width: Math.max(1, Math.floor(width * ratio + EPSILON)),
    height: Math.max(1, Math.floor(height * ratio + EPSILON)),
  };
}

/** Keeps an exact side exact: 2048 * (768 / 2048) may come out as 767.9999999. */
const EPSILON = 1e-9;
