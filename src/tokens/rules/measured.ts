import { z } from 'zod';
import { MmdeployError } from '../../errors.ts';
import { defineTokenRule } from './define.ts';

/**
 * No rule is published: only the sizes that somebody sent and was billed for have a count. Any other
 * size is unknown, which is not zero.
 */
export const measured = defineTokenRule({
  id: 'measured',
  params: z.strictObject({
    points: z
      .array(
        z.strictObject({
          width: z.int().positive(),
          height: z.int().positive(),
          tokens: z.int().positive(),
        }),
      )
      .min(1),
  }),
  count: ({ width, height }, { points }) => {
    const point = points.find((each) => each.width === width && each.height === height);
    if (point !== undefined)
      return { tokens: point.tokens, detail: 'as billed for this very size' };
    const known = points.map((each) => `${each.width}x${each.height}`).join(', ');
    throw new MmdeployError(
      'input.invalid',
      `the vendor publishes no rule; ${width}x${height} was never measured, only ${known}`,
      { hints: ['count for another model: `mmdeploy models` lists them'] },
    );
  },
  resize: (size) => size,
});
