import { z } from 'zod';

/** `profiles/gpu-prices.yaml`: what renting a card costs, by provider. */

const gpuPriceSchema = z.strictObject({
  gpu: z.string().min(1).describe('card id of gpus.yaml'),
  provider: z.string().min(1),
  tier: z
    .enum(['on-demand', 'community'])
    .describe('community: hosts of third parties, cheaper and less certain'),
  usdPerHour: z.number().positive().describe('US dollars per GPU and hour'),
  region: z.string().min(1),
  asOf: z.iso.date().describe('the day the source had it'),
  source: z.string().min(1).describe('short name of `sources`'),
  kind: z
    .enum(['live-api', 'list', 'transcribed'])
    .describe('how the source had it from the provider'),
  gpus: z.int().min(2).optional().describe('only rented in instances of this many'),
  note: z.string().optional(),
});

export const gpuPriceListSchema = z.strictObject({
  collected: z.iso.date(),
  sources: z.record(z.string(), z.string()).describe('what the short names in `source` stand for'),
  prices: z.array(gpuPriceSchema),
});

export type GpuPrice = z.output<typeof gpuPriceSchema>;
