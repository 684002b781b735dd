import { z } from 'zod';
import { MmdeployError } from '../../errors.ts';
import type { TokenSettings } from '../settings.ts';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';
import { ARITHMETICS, preservedSize } from './preserved-size.ts';

const params = z.strictObject({
  factor: z
    .int()
    .positive()
    .describe('patch size x merge: side of the square of one token, pixels'),
  minPixels: z.int().nonnegative().describe('pictures below are enlarged to it; 0: none are'),
  maxPixels: z.int().nonnegative().describe('pictures above are shrunk to it; 0: none are'),
  longestEdge: z
    .int()
    .positive()
    .optional()
    .describe('the longer side is brought to it first, upwards too (LightOnOCR)'),
  highMaxPixels: z
    .int()
    .positive()
    .optional()
    .describe('the limit at `--media-resolution high`: `vl_high_resolution_images` of Qwen’s API'),
  arithmetic: z.enum(Object.keys(ARITHMETICS) as (keyof typeof ARITHMETICS)[]),
  rowBreaks: z.boolean().default(false).describe('one token more between two rows (Pixtral)'),
  extra: z
    .int()
    .nonnegative()
    .default(0)
    .describe('tokens of the projector itself (Hunyuan-VL: last break, start and end)'),
  ownLimits: z
    .boolean()
    .default(false)
    .describe('the limits are the file’s: token limits of the command line change nothing'),
  ubatchCaps: z
    .boolean()
    .default(false)
    .describe('images are decoded non-causally: llama-server caps them to n_ubatch'),
  maxAspectRatio: z
    .number()
    .positive()
    .optional()
    .describe('the processor refuses pictures longer than this'),
});
type Params = z.output<typeof params>;

/**
 * Keeps the aspect ratio, rounds both sides to whole cells of `factor` pixels, and stays between two
 * pixel counts: Qwen-VL, GLM-4V, Pixtral, Kimi-VL, Gemma 4 … `--image-min-tokens` and
 * `--image-max-tokens` replace the limits by tokens x factor².
 */
export const smartResize = defineTokenRule({
  id: 'smart-resize',
  params,
  count: (size, use, settings) => {
    const { width, height } = resizeSmart(size, use, settings);
    const columns = width / use.factor;
    const rows = height / use.factor;
    const breaks = use.rowBreaks ? rows - 1 : 0;
    const more = breaks === 0 ? '' : ` + ${breaks} row breaks`;
    return {
      tokens: columns * rows + breaks + use.extra,
      detail: `${columns}x${rows} cells of ${use.factor} px${more}`,
    };
  },
  resize: resizeSmart,
});

function resizeSmart(size: ImageSize, use: Params, settings: TokenSettings): ImageSize {
  refuseStrips(size, use.maxAspectRatio);
  return preservedSize(size, {
    align: use.factor,
    ...pixelLimits(use, settings),
    longestEdge: use.longestEdge ?? 0,
    arithmetic: use.arithmetic,
  });
}

/** llama-server >= September 2026 caps the largest image to n_ubatch where one must decode at once. */
function pixelLimits(use: Params, settings: TokenSettings) {
  const cell = use.factor * use.factor;
  if (use.ownLimits) return { minPixels: use.minPixels, maxPixels: use.maxPixels };
  const { imageMinTokens, imageMaxTokens, ubatch } = settings;
  const own = settings.mediaResolution === 'high' ? use.highMaxPixels : undefined;
  // Qwen's API ignores `max_pixels` where `vl_high_resolution_images` is set.
  const asked = own ?? (imageMaxTokens === null ? use.maxPixels : imageMaxTokens * cell);
  return {
    minPixels: imageMinTokens === null ? use.minPixels : imageMinTokens * cell,
    maxPixels: use.ubatchCaps && ubatch !== null ? Math.min(asked, ubatch * cell) : asked,
  };
}

function refuseStrips({ width, height }: ImageSize, limit: number | undefined): void {
  const ratio = Math.max(width, height) / Math.min(width, height);
  if (limit === undefined || ratio <= limit) return;
  throw new MmdeployError(
    'input.invalid',
    `the model's image processor refuses ${width}x${height}: aspect ratio ${Math.round(ratio)}, at most ${limit}`,
    {
      hints: ['crop the picture, or count it for another engine with `mmdeploy estimate --engine`'],
    },
  );
}
