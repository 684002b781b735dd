import { z } from 'zod';
import { modalitySchema } from './basis.ts';

/** `mmdeploy.estimate-share/v1`: what `estimate --shard` prints and `estimate merge` reads. No money in it. */
export const ESTIMATE_SHARE_SCHEMA = 'mmdeploy.estimate-share/v1';

const whole = z.number().int();
const order = whole.nonnegative();

const itemSchema = z.looseObject({
  input: z.string(),
  modality: modalitySchema,
  width: z.number().nullable(),
  height: z.number().nullable(),
  seconds: z.number().nullable(),
  count: whole,
  tokens: whole.nullable(),
  rule: z.string(),
  detail: z.string(),
});
const seenText = z.strictObject({ value: z.string(), order });
const seenItem = z.strictObject({ value: itemSchema, order });

const tallySchema = z.strictObject({
  tokens: z.strictObject({ text: whole, image: whole, audio: whole, video: whole }),
  wrapper: whole,
  low: whole,
  high: whole,
  template: whole.nullable(),
  requests: whole,
  one: z.strictObject({
    ...{ requests: whole, template: whole.nullable(), texts: whole, heard: whole },
  }),
  long: z.strictObject({ requests: whole, input: whole, audio: whole }),
  answers: z.strictObject({
    ...{ limited: whole, tokens: whole, longTokens: whole, unlimited: whole },
  }),
  taken: whole,
  uncounted: whole,
  ranged: whole,
  images: whole,
  imagesTaken: whole,
  texts: whole,
  heard: whole,
  turned: whole,
  tooLong: whole,
  rules: z.array(seenText),
  needs: z.array(seenText),
  refusals: z.array(seenText.extend({ count: whole })),
  costliest: z.array(seenItem),
  items: z.array(seenItem).nullable(),
});

const sizeSchema = z.strictObject({
  modality: modalitySchema,
  format: z.string().nullable(),
  frames: whole.nullable(),
  width: z.number().nullable(),
  height: z.number().nullable(),
  turned: z.boolean(),
  seconds: z.number().nullable(),
  detail: z.enum(['low', 'high', 'original', 'auto']).nullable(),
  count: whole,
});

const inputsSchema = z.strictObject({
  files: whole,
  images: whole,
  audios: whole,
  audioMicroseconds: whole,
  videos: whole,
  videoMicroseconds: whole,
  documents: whole,
  textBytes: whole,
  hidden: whole,
  unreadableCount: whole,
  unreadable: z.array(
    z.strictObject({ value: z.strictObject({ path: z.string(), reason: z.string() }), order }),
  ),
  sizes: z.strictObject({ sizes: z.array(sizeSchema), complete: z.boolean() }),
});

const dedupeSchema = z.strictObject({
  contents: z.array(z.tuple([z.string(), whole, z.array(whole)])),
  untold: whole,
});

export const estimateShareSchema = z.strictObject({
  schema: z.literal(ESTIMATE_SHARE_SCHEMA),
  shard: z.strictObject({ index: whole.nonnegative(), of: whole.positive() }),
  /** Of the program's version, the request, the models' rules and the prices: shares of one job agree. */
  digest: z.string(),
  /** The request, as `estimate` understood it. */
  request: z.record(z.string(), z.unknown()),
  counted: z.strictObject({
    inputs: inputsSchema,
    /** In the order of the models. */
    tallies: z.array(tallySchema),
    dedupe: dedupeSchema.nullable(),
    /** Number and digest of everything that was listed, other shares included. */
    keys: z.string(),
  }),
});
export type EstimateShare = z.output<typeof estimateShareSchema>;
