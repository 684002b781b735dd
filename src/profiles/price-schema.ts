import { z } from 'zod';

/** `profiles/prices.yaml`: what vendors charge for tokens. */

const usd = z
  .number()
  .nonnegative()
  .refine((value) => Number.isInteger(Math.round(value * 1e9) / 1e3), 'at most six decimals')
  .describe('US dollars per million tokens');

const priceSchema = z.strictObject({
  model: z.string().min(1).describe('profile id'),
  input: usd,
  output: usd,
  asOf: z.iso.date().describe('the last day on which the source showed it'),
  source: z.string().min(1),
  note: z.string().optional(),
});

export const priceListSchema = z.strictObject({ prices: z.array(priceSchema) });

export type ApiPrice = z.output<typeof priceSchema>;
