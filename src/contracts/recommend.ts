import { z } from 'zod';
import { engineNameSchema } from './basis.ts';

/** `mmdeploy.recommend/v1`: what `plan MODEL --recommend -o json` prints. Sizes in bytes, money in US dollars. */
export const RECOMMEND_SCHEMA = 'mmdeploy.recommend/v1';

const priceSchema = z.object({
  /** For all the cards together; instances that come with more cards are paid whole. */
  usdPerHour: z.number(),
  usdPerCardHour: z.number(),
  provider: z.string(),
  tier: z.string(),
  asOf: z.string(),
  /** Whole days since `asOf`. */
  ageDays: z.number().int(),
  source: z.string(),
});

const cardsSchema = z.object({
  /** As `--gpu` takes it: `RTX 4090`, `2x L4`. */
  gpu: z.string(),
  count: z.number().int().positive(),
  /** Capacity of one card as its driver reports it. */
  capacityBytes: z.number().int(),
  /** Fullest card at the largest image. */
  peakBytes: z.number().int(),
  price: priceSchema.nullable(),
});
export type RecommendedCards = z.infer<typeof cardsSchema>;

export const recommendSchema = z.object({
  schema: z.literal(RECOMMEND_SCHEMA),
  model: z.object({ id: z.string(), name: z.string() }),
  engine: engineNameSchema,
  /** What every row holds. */
  contextPerSlot: z.number().int(),
  slots: z.number().int(),
  rows: z.array(
    z.object({
      quant: z.string(),
      encoderQuant: z.string().nullable(),
      /** Least memory, one card before several; null: not even eight of the largest hold it. */
      smallest: cardsSchema.nullable(),
      /** Least money an hour among the cards that have a price; null: none of them holds it. */
      cheapest: cardsSchema.nullable(),
    }),
  ),
  warnings: z.array(z.string()),
});
export type Recommendation = z.infer<typeof recommendSchema>;
