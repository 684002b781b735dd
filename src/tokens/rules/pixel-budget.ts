import { z } from 'zod';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const params = z.strictObject({
  factor: z
    .int()
    .positive()
    .describe('patch size x merge: side of the square of one token, pixels'),
  budget: z.int().positive().describe('tokens of an image at most (`max_soft_tokens`)'),
});
type Params = z.output<typeof params>;

/**
 * Gemma 4 as transformers and vLLM resize it: every picture, a small one too, is brought to the size that
 * fills the budget, and both sides are rounded down to whole cells (`get_aspect_ratio_preserving_size`,
 * transformers image_processing_gemma4.py; `_compute_num_soft_tokens`, vllm gemma4_mm.py).
 */
export const pixelBudget = defineTokenRule({
  id: 'pixel-budget',
  params,
  count: (size, use) => {
    const { width, height } = fill(size, use);
    const columns = width / use.factor;
    const rows = height / use.factor;
    return { tokens: columns * rows, detail: `${columns}x${rows} cells of ${use.factor} px` };
  },
  resize: fill,
});

function fill({ width, height }: ImageSize, { factor, budget }: Params): ImageSize {
  const scale = Math.sqrt((budget * factor * factor) / (width * height));
  const cells = (side: number) => Math.floor((scale * side) / factor);
  // A strip that is less than a cell high is as long as the whole budget, and the other way round.
  return {
    width: Math.min(Math.max(cells(width), 1), budget) * factor,
    height: Math.min(Math.max(cells(height), 1), budget) * factor,
  };
}
