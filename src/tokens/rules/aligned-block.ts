import { z } from 'zod';
import type { TokenSettings } from '../settings.ts';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const params = z.strictObject({
  patchSize: z.int().positive(),
  merge: z.int().positive(),
  minPixels: z.int().nonnegative().describe('a smaller picture is enlarged to it'),
  maxTokens: z.int().positive().default(384),
  maxAspectRatio: z.int().positive().default(8).describe('what is wider is cut to it'),
});
type Params = z.output<typeof params>;

/** A block starts at a multiple of four tokens: up to three stand before it, by its place in the prompt. */
const ALIGN = 4;
/** Limits of the command line below this are raised to it. */
const LEAST_LIMIT = 16;

/**
 * DeepSeek-V4's eyes: rows of cells and a newline, in pairs of rows, as large as the budget allows; what
 * fills the block up to its place in the prompt makes it a range (llama.cpp b11118 mtmd-image.cpp,
 * `mtmd_image_preprocessor_deepseek4v`, and `dsv4_get_block_layout` in clip-impl.h).
 */
export const alignedBlock = defineTokenRule({
  id: 'aligned-block',
  params,
  count: (size, use, settings) => {
    const block = blockOf(patchesOf(size, use, settings), use);
    return {
      tokens: block.tokens + ALIGN / 2,
      low: block.tokens,
      high: block.tokens + ALIGN - 1,
      detail: `${block.columns}x${block.rows} cells, 0 to ${ALIGN - 1} tokens before them`,
    };
  },
  resize: patchesOf,
});

function blockOf({ width, height }: ImageSize, { patchSize, merge }: Params) {
  const cells = (side: number) => Math.ceil(Math.floor(side / patchSize) / merge);
  const rows = cells(height) + (cells(height) % 2);
  const length = cells(width) + 1;
  const pad = (((rows / 2) * length) % 2) * 2;
  return { columns: cells(width), rows, tokens: 1 + rows * length + pad + 1 };
}

function patchesOf(size: ImageSize, use: Params, settings: TokenSettings): ImageSize {
  const { patchSize } = use;
  const most = limitOf(use, settings);
  const seen = enlarged(size, use, settings);
  const whole = (side: number) => Math.ceil(side / patchSize) * patchSize;
  let best: ImageSize = { width: whole(seen.width), height: whole(seen.height) };
  // Room for what stands before the block is kept free.
  const room = most - (ALIGN - 1);
  for (let budget = room; blockOf(best, use).tokens > room; budget--) {
    best = largestWithin(seen, use, budget);
  }
  return best;
}

function limitOf({ maxTokens }: Params, { imageMaxTokens }: TokenSettings): number {
  return imageMaxTokens === null ? maxTokens : Math.max(imageMaxTokens, LEAST_LIMIT);
}

function enlarged(size: ImageSize, use: Params, settings: TokenSettings): ImageSize {
  const token = (use.patchSize * use.merge) ** 2;
  const { imageMinTokens } = settings;
  const asked = imageMinTokens === null ? use.minPixels : imageMinTokens * token;
  const least = Math.min(asked, limitOf(use, settings) * token);
  const width = Math.min(size.width, size.height * use.maxAspectRatio);
  const { height } = size;
  if (width * height >= least) return { width, height };
  const up = Math.sqrt(least / (width * height));
  return { width: Math.trunc(width * up), height: Math.trunc(height * up) };
}

/** The largest size of about this aspect ratio whose block has at most `budget` tokens. */
function largestWithin({ width, height }: ImageSize, use: Params, budget: number): ImageSize {
  const { patchSize, merge } = use;
  const cell = patchSize * merge;
  const even = (rows: number) => rows - (rows % 2);
  const ratio = height / width;
  const columns = Math.sqrt((budget - 2) / ratio + 0.25) - 0.5;
  const rows = columns * ratio;
  if (columns < 1) return { width: cell, height: even(Math.trunc((budget - 2) / 2)) * cell };
  if (rows < 2) {
    const most = Math.max(Math.trunc((budget - 2) / 2) - 1, 2);
    return { width: most * cell, height: 2 * cell };
  }
  const scale = Math.min(
    (Math.floor(columns) * cell) / width,
    (even(Math.floor(rows)) * cell) / height,
  );
  const whole = (side: number) => Math.floor((side * scale) / patchSize) * patchSize;
  return { width: whole(width), height: whole(height) };
}
