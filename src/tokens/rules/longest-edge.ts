import { z } from 'zod';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const params = z.strictObject({
  longestEdge: z.int().positive().describe('longer pictures are shrunk to it, pixels'),
  factor: z
    .int()
    .positive()
    .describe('patch size x merge: side of the square of one token, pixels'),
});
type Params = z.output<typeof params>;

/**
 * Pixtral and Mistral Small as Mistral's own code counts them: shrink the longest edge, then cells of
 * `factor` pixels rounded up, and a break between two rows (transformers image_processing_pixtral.py).
 * Small pictures are not enlarged; llama.cpp counts the same models by `smart-resize`.
 */
export const longestEdge = defineTokenRule({
  id: 'longest-edge',
  params,
  count: (size, use) => {
    const { width, height } = shrink(size, use);
    const columns = Math.ceil(width / use.factor);
    const rows = Math.ceil(height / use.factor);
    return {
      tokens: columns * rows + rows - 1,
      detail: `${columns}x${rows} cells of ${use.factor} px + ${rows - 1} row breaks`,
    };
  },
  resize: (size, use) => {
    const { width, height } = shrink(size, use);
    const whole = (side: number) => Math.ceil(side / use.factor) * use.factor;
    return { width: whole(width), height: whole(height) };
  },
});

function shrink({ width, height }: ImageSize, { longestEdge: edge }: Params): ImageSize {
  const ratio = Math.max(width, height) / edge;
  if (ratio <= 1) return { width, height };
  const side = (length: number) => Math.max(1, Math.floor(length / ratio));
  return { width: side(width), height: side(height) };
}
