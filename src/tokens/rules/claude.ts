import { z } from 'zod';
import { roundHalfEven } from '../../units.ts';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const CELL = 28;

const patchParams = z.strictObject({
  maxSide: z.int().positive().describe('of the picture in whole cells, pixels'),
  maxTokens: z.int().positive(),
});
type Limits = z.output<typeof patchParams>;

/**
 * Claude's cells of 28 px: the largest size of the same shape whose cells fit a side and a count
 * (platform.claude.com, guides "vision" and "vision coordinates", 2026-08 and 2026-09).
 */
export const claudePatch = defineTokenRule({
  id: 'claude-patch',
  params: patchParams,
  count: (size, limits) => {
    const seen = largestFitting(size, limits);
    const columns = cells(seen.width);
    const rows = cells(seen.height);
    return { tokens: columns * rows, detail: `${columns}x${rows} cells of ${CELL} px` };
  },
  resize: largestFitting,
});

function largestFitting(size: ImageSize, limits: Limits): ImageSize {
  if (fits(size, limits)) return size;
  const long = Math.max(size.width, size.height);
  const short = Math.min(size.width, size.height);
  const sized = (edge: number): ImageSize => {
    const other = Math.max(1, roundHalfEven((edge * short) / long));
    return size.width === long ? { width: edge, height: other } : { width: other, height: edge };
  };
  let fitting = 1;
  let tooLong = long;
  while (tooLong - fitting > 1) {
    const middle = Math.floor((fitting + tooLong) / 2);
    if (fits(sized(middle), limits)) fitting = middle;
    else tooLong = middle;
  }
  return sized(fitting);
}

function fits({ width, height }: ImageSize, { maxSide, maxTokens }: Limits): boolean {
  const within = Math.max(cells(width), cells(height)) * CELL <= maxSide;
  return within && cells(width) * cells(height) <= maxTokens;
}

function cells(side: number): number {
  return Math.ceil(side / CELL);
}

/**
 * What the vendor's guide said until 2026: width x height / 750 after shrinking to a long edge and to
 * about 1600 tokens. Kept for bills of that time; the vendor called it an estimate.
 */
export const claudeArea = defineTokenRule({
  id: 'claude-area',
  params: z.strictObject({
    pixelsPerToken: z.int().positive(),
    maxSide: z.int().positive(),
    maxTokens: z.int().positive(),
  }),
  count: (size, use) => {
    const { width, height } = shrunk(size, use.maxSide, use.maxTokens * use.pixelsPerToken);
    const tokens = Math.ceil((width * height) / use.pixelsPerToken - 1e-9);
    return {
      tokens: Math.max(1, Math.min(tokens, use.maxTokens)),
      detail: `${Math.round(width)}x${Math.round(height)} px / ${use.pixelsPerToken}`,
    };
  },
  resize: (size, use) => {
    const seen = shrunk(size, use.maxSide, use.maxTokens * use.pixelsPerToken);
    return {
      width: Math.max(1, Math.round(seen.width)),
      height: Math.max(1, Math.round(seen.height)),
    };
  },
});

function shrunk({ width, height }: ImageSize, maxSide: number, maxPixels: number): ImageSize {
  const scale = Math.min(
    1,
    maxSide / Math.max(width, height),
    Math.sqrt(maxPixels / (width * height)),
  );
  return { width: width * scale, height: height * scale };
}
