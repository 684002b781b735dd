import { z } from 'zod';

/** `profiles/prices.yaml`: what vendors charge for tokens. */

const usd = z
  .number()
  .nonnegative()
  .refine((value) => Number.isInteger(Math.round(value * 1e9) / 1e3), 'at most six decimals')
  .describe('US dollars per million tokens');

const priceSchema = z.strictObject({
  model: z.string().min(1).describe('profile id'),
  provider: z
    .string()
    .min(1)
    .optional()
    .describe('who bills it, as `--provider` names it; the model’s own vendor where left out'),
  input: usd,
  output: usd,
  cachedInput: usd.optional().describe('input that the vendor has seen before'),
  cacheWrite: usd.optional().describe('input that is kept to be seen again'),
  imageInput: usd.optional().describe('as `input` where left out'),
  audioInput: usd.optional().describe('as `input` where left out'),
  cachedAudioInput: usd.optional().describe('as `audioInput` where left out'),
  videoInput: usd.optional().describe('as `input` where left out'),
  audioOutput: usd.optional(),
  batchDiscount: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('share taken off input and output of the batch API'),
  longContext: z
    .strictObject({
      above: z.int().positive().describe('input tokens'),
      input: usd,
      output: usd,
      cachedInput: usd.optional().describe('as `input` where left out'),
    })
    .optional()
    .describe('what every token of a longer request costs'),
  asOf: z.iso.date().describe('the last day on which the source showed it'),
  source: z.string().min(1),
  note: z.string().optional(),
});

export const priceListSchema = z.strictObject({ prices: z.array(priceSchema) });

export type ApiPrice = z.output<typeof priceSchema>;
