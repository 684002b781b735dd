import { z } from 'zod';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const params = z.strictObject({
  patchSize: z.int().positive(),
  merge: z.int().positive().describe('side of the square of patches that becomes one token'),
  maxPatches: z.int().positive().describe('`in_token_limit`: a picture of more is shrunk'),
});
type Params = z.output<typeof params>;

/**
 * Kimi-VL as transformers and vLLM resize it: shrunk to a number of patches, then padded to whole cells;
 * small pictures stay small (`get_num_image_tokens`, vllm/model_executor/models/kimi_vl.py).
 */
export const patchLimit = defineTokenRule({
  id: 'patch-limit',
  params,
  count: (size, use) => {
    const { width, height } = pad(size, use);
    const cell = use.patchSize * use.merge;
    return {
      tokens: (width / cell) * (height / cell),
      detail: `${width / cell}x${height / cell} cells of ${cell} px`,
    };
  },
  resize: pad,
});

function pad({ width, height }: ImageSize, { patchSize, merge, maxPatches }: Params): ImageSize {
  const patches = Math.floor(width / patchSize) * Math.floor(height / patchSize);
  const scale = patches > maxPatches ? Math.sqrt(maxPatches / patches) : 1;
  const cell = patchSize * merge;
  const side = (length: number) => Math.max(1, Math.ceil(Math.floor(length * scale) / cell)) * cell;
  return { width: side(width), height: side(height) };
}
