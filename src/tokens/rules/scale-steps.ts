import { z } from 'zod';
import type { TokenSettings } from '../settings.ts';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const params = z.strictObject({
  factor: z
    .int()
    .positive()
    .describe('patch size x merge: side of the square of one token, pixels'),
  merge: z.int().positive(),
  maxTokens: z.int().positive(),
});
type Params = z.output<typeof params>;

const STEP = Math.fround(0.02);

/**
 * Youtu-VL: scaled down by 0.02 at a time until the cells, rounded up, are few enough; never enlarged
 * (llama.cpp b11118 mtmd-image.cpp, `mtmd_image_preprocessor_youtuvl`).
 */
export const scaleSteps = defineTokenRule({
  id: 'scale-steps',
  params,
  count: (size, use, settings) => {
    const { width, height } = scaled(size, use, settings);
    const columns = width / use.factor;
    const rows = height / use.factor;
    return { tokens: columns * rows, detail: `${columns}x${rows} cells of ${use.factor} px` };
  },
  resize: scaled,
});

function scaled(size: ImageSize, use: Params, { imageMaxTokens }: TokenSettings): ImageSize {
  const { factor, merge } = use;
  const most = (imageMaxTokens ?? use.maxTokens) * merge * merge;
  const patches = (side: number) => (side / factor) * merge;
  let seen = size;
  for (let scale = 1; scale > 0; scale = Math.fround(scale - STEP)) {
    const whole = (side: number) => {
      const cells = Math.ceil(Math.fround(Math.fround(side * scale) / factor));
      return Math.max(cells, 1) * factor;
    };
    seen = { width: whole(size.width), height: whole(size.height) };
    if (patches(seen.width) * patches(seen.height) <= most) break;
  }
  return seen;
}
