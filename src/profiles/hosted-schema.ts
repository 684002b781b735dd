import { z } from 'zod';
import { videoRateSchema } from '../tokens/rules/media-rate.ts';
import { tokenRuleUseSchema } from './token-rule-use.ts';

/** What only a model at its vendor has: limits of requests, the rate of film, rules of the past. */
export const hostedSchema = z.strictObject({
  context: z.int().positive().optional().describe('most tokens of one request, answer included'),
  output: z.int().positive().optional().describe('most tokens of one answer'),
  imageFormats: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('PNG, JPEG, WebP and still GIF where left out'),
  videoTokens: videoRateSchema.optional(),
  earlierImageTokens: z
    .array(
      z.strictObject({
        until: z.iso.date().describe('last day on which it held; vendors rarely name it'),
        use: tokenRuleUseSchema,
      }),
    )
    .default([])
    .describe('oldest first: `mmdeploy estimate --as-of DAY` counts by them'),
});

export type HostedProfile = z.output<typeof hostedSchema>;
