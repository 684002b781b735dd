import { z } from 'zod';
import { defineTokenRule, type ImageSize } from './define.ts';

/** Every picture becomes one square, stretched or padded: the count never changes (llama.cpp `fixed_size`). */
export const fixed = defineTokenRule({
  id: 'fixed',
  params: z.strictObject({
    tokens: z.int().positive(),
    imageSize: z.int().positive().describe('side of the square the picture is brought to, pixels'),
  }),
  count: (_size, { tokens, imageSize }) => ({
    tokens,
    detail: `${tokens} tokens whatever the size (${imageSize}x${imageSize} px)`,
  }),
  resize: (_size, { imageSize }) => ({ width: imageSize, height: imageSize }),
});

/**
 * The square of patches of a fixed-size tower, merged `merge` x `merge`, plus `extra` tokens of the
 * projector itself: (imageSize / patchSize)² / merge² + extra (llama.cpp b11118 tools/mtmd/clip.cpp,
 * `clip_n_output_tokens`: mlp, ldp, gemma3). A picture of another shape is padded, not stretched (mtmd-image.cpp,
 * `img_tool::resize` with `PAD_CEIL`).
 */
export const fixedGrid = defineTokenRule({
  id: 'fixed-grid',
  params: z
    .strictObject({
      imageSize: z.int().positive(),
      patchSize: z.int().positive(),
      merge: z.int().positive().default(1),
      extra: z.int().nonnegative().default(0),
    })
    .refine(({ imageSize, patchSize }) => imageSize >= patchSize, 'a patch exceeds the image'),
  count: (_size, { imageSize, patchSize, merge, extra }) => {
    const side = Math.floor(imageSize / patchSize);
    const tokens = Math.floor((side * side) / (merge * merge)) + extra;
    const merged = merge === 1 ? '' : `, ${merge}x${merge} merged`;
    const more = extra === 0 ? '' : `, + ${extra}`;
    return { tokens, detail: `${side}x${side} patches of ${patchSize} px${merged}${more}` };
  },
  resize: (size, { imageSize }) => ({
    width: imageSize,
    height: imageSize,
    content: fitted(size, imageSize),
  }),
});

/** The largest of a picture's shape in a square, in single precision as llama.cpp computes it. */
function fitted({ width, height }: ImageSize, side: number): ImageSize {
  const scale = Math.fround(side / Math.max(width, height));
  const fit = (length: number) => Math.min(side, Math.ceil(Math.fround(length * scale)));
  return { width: fit(width), height: fit(height) };
}
