import { z } from 'zod';
import { CONFIDENCES, basisSchema, engineNameSchema, modalitySchema } from './basis.ts';
import { ESTIMATE_SCHEMA } from './estimate.ts';

/** `mmdeploy.estimate/v1` as a schema: what a script may rely on. A test holds real documents against it. */

const count = z.int().nonnegative();
const known = count.nullable();
const usd = z.number().nonnegative().describe('US dollars, whole millionths');
const seconds = z.number().nonnegative().nullable();

const itemSchema = z.strictObject({
  input: z.string(),
  modality: modalitySchema,
  width: known,
  height: known,
  seconds,
  count,
  tokens: known.describe('everything that one of `count` adds to the prompt'),
  rule: z.string(),
  detail: z.string(),
});

const perMillion = z.number().nonnegative().describe('US dollars per million tokens');

const priceSchema = z.strictObject({
  input: perMillion,
  output: perMillion,
  cachedInput: perMillion.nullable(),
  imageInput: perMillion.nullable().describe('null: as `input`'),
  audioInput: perMillion.nullable().describe('null: as `input`'),
  videoInput: perMillion.nullable().describe('null: as `input`'),
  batchDiscount: z.number().min(0).max(1).nullable(),
  longContext: z
    .strictObject({
      ...{ above: count, input: perMillion, output: perMillion },
      cachedInput: perMillion.nullable(),
    })
    .nullable(),
  basis: z.enum(['list', 'given', 'gpu-hours']),
  provider: z.string().nullable(),
  batch: z.boolean(),
  cached: z.strictObject({ tokens: known, percent: z.number().nullable() }).nullable(),
  formula: z.string().nullable(),
  source: z.string(),
});

const adviceSchema = z.strictObject({
  kind: z.string().describe('new kinds may come'),
  text: z.string(),
  inputs: count,
  savedTokens: count,
  savedUsd: usd.nullable(),
});

const exactSchema = z.strictObject({
  engine: z.literal('llama.cpp'),
  url: z.string().nullable(),
  standIn: z.boolean(),
  asked: count,
  tokens: count,
  formula: known,
  differences: z.array(
    z.strictObject({
      ...{ input: z.string(), modality: modalitySchema, width: known, height: known, seconds },
      ...{ count, formula: known, engine: known, difference: z.int().nullable() },
    }),
  ),
  unasked: z.array(z.strictObject({ input: z.string().nullable(), count, reason: z.string() })),
});

const modelSchema = z.strictObject({
  id: z.string(),
  engine: engineNameSchema,
  tokens: z.strictObject({
    ...{ total: known, text: known, image: known, audio: known, video: known, wrapper: known },
  }),
  range: z.strictObject({ low: count, high: count }).nullable(),
  requests: count,
  uncounted: count,
  confidence: z.enum(CONFIDENCES),
  basis: basisSchema,
  rule: z.string(),
  ruleSource: z.string().nullable(),
  costUsd: z.strictObject({ input: usd, output: usd, total: usd }).nullable(),
  priceAsOf: z.iso.date().nullable(),
  priceAgeDays: known,
  price: priceSchema.nullable(),
  costliest: z.array(itemSchema),
  advice: z.array(adviceSchema),
  items: z.array(itemSchema),
  exact: exactSchema.optional().describe('with `--exact`'),
});

const growthSchema = z.strictObject({
  before: z.number().nullable(),
  after: z.number().nullable(),
  growthPercent: z.number().nullable(),
  exceeded: z.boolean(),
});

export const estimateSchema = z.strictObject({
  schema: z.literal(ESTIMATE_SCHEMA),
  inputs: z.strictObject({
    ...{ files: count, images: count, audios: count, audioSeconds: z.number().nonnegative() },
    ...{ videos: count, videoSeconds: z.number().nonnegative(), documents: count },
    textBytes: count,
    unreadable: z.array(z.strictObject({ path: z.string(), reason: z.string() })),
    unreadableCount: count,
  }),
  models: z.array(modelSchema),
  dedupe: z
    .strictObject({
      ...{ media: count, distinct: count, duplicates: count, untold: count },
      saved: z.array(z.strictObject({ tokens: count, encodes: count })),
    })
    .nullable(),
  warnings: z.array(z.string()),
  comparison: z
    .array(
      z.strictObject({
        ...{ id: z.string(), engine: z.string(), tokens: known, usd: usd.nullable() },
        uncounted: count,
        ...{ tokensRatio: z.number().nullable(), usdRatio: z.number().nullable() },
      }),
    )
    .optional()
    .describe('with `--compare`'),
  budgets: z
    .array(
      z.strictObject({
        flag: z.enum(['--max-tokens', '--max-usd']),
        ...{ id: z.string(), engine: z.string(), limit: z.number() },
        ...{ actual: z.number().nullable(), exceeded: z.boolean() },
      }),
    )
    .optional()
    .describe('with `--max-tokens` or `--max-usd`'),
  baseline: z
    .strictObject({
      file: z.string(),
      maxGrowthPercent: z.number().nullable(),
      rows: z.array(
        z.strictObject({
          ...{ id: z.string(), engine: z.string() },
          ...{ tokens: growthSchema, usd: growthSchema.nullable() },
        }),
      ),
    })
    .optional()
    .describe('with `--baseline`'),
});
