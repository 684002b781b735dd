import { z } from 'zod';
import { MmdeployError } from '../../errors.ts';
import type { MediaResolution } from '../settings.ts';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const tileParams = z.strictObject({
  tile: z.int().positive().describe('tokens of a small picture, and of each tile of a larger one'),
  small: z.int().positive().describe('a picture that no side exceeds is one tile'),
  low: z.int().positive().describe('tokens at `media_resolution` low'),
  medium: z.int().positive().describe('tokens at `media_resolution` medium'),
});
type TileParams = z.output<typeof tileParams>;

/** Sides of a tile's crop, pixels. */
const SMALLEST_CROP = 256;
const LARGEST_CROP = 768;

/**
 * Gemini 2.x: a tile for a small picture, else the picture cut into tiles whose side is two thirds of
 * its short side, 256 to 768 px (ai.google.dev, guides "tokens" and "image understanding"). The first
 * guide says 768 px for every tile: the bounds are the counts of both.
 */
export const geminiTiles = defineTokenRule({
  id: 'gemini-tiles',
  params: tileParams,
  count: (size, use, { mediaResolution }) => {
    if (mediaResolution === 'low' || mediaResolution === 'medium') {
      return { tokens: use[mediaResolution], detail: `media resolution ${mediaResolution}` };
    }
    if (mediaResolution === 'ultra_high') throw unknownLevel(mediaResolution);
    if (isSmall(size, use)) return { tokens: use.tile, detail: `1 tile of ${use.tile}` };
    const crop = cropOf(size);
    const tokens = tilesOf(size, crop) * use.tile;
    const plain = tilesOf(size, LARGEST_CROP) * use.tile;
    return {
      tokens,
      low: Math.min(tokens, plain),
      high: Math.max(tokens, plain),
      detail: `${Math.ceil(size.width / crop)}x${Math.ceil(size.height / crop)} tiles of ${use.tile}`,
    };
  },
  resize: (size, use) => {
    if (isSmall(size, use)) return size;
    const crop = cropOf(size);
    const columns = Math.ceil(size.width / crop);
    const rows = Math.ceil(size.height / crop);
    return { ...size, tiles: { columns, rows, thumbnail: false } };
  },
});

function isSmall({ width, height }: ImageSize, { small }: TileParams): boolean {
  return width <= small && height <= small;
}

function cropOf({ width, height }: ImageSize): number {
  const wanted = Math.floor(Math.min(width, height) / 1.5);
  return Math.min(LARGEST_CROP, Math.max(SMALLEST_CROP, wanted));
}

function tilesOf({ width, height }: ImageSize, crop: number): number {
  return Math.ceil(width / crop) * Math.ceil(height / crop);
}

/**
 * Gemini 3: a number of tokens for each level of `media_resolution`, whatever the size. The vendor calls
 * them approximate, and maxima (ai.google.dev, guide "media resolution").
 */
export const geminiBudget = defineTokenRule({
  id: 'gemini-budget',
  params: z.strictObject({
    low: z.int().positive(),
    medium: z.int().positive(),
    high: z.int().positive(),
    ultra_high: z.int().positive(),
    default: z.enum(['low', 'medium', 'high', 'ultra_high']),
  }),
  count: (_size, use, { mediaResolution }) => {
    const level = mediaResolution ?? use.default;
    return { tokens: use[level], detail: `at most, at media resolution ${level}` };
  },
  resize: (size) => size,
});

function unknownLevel(level: MediaResolution): MmdeployError {
  return new MmdeployError(
    'input.invalid',
    `\`--media-resolution ${level}\` is not a level of this model`,
    { hints: ['use `mmdeploy estimate --media-resolution low`, `medium` or `high`'] },
  );
}
