import { z } from 'zod';

/** `mmdeploy.quantize/v1`: what `models quantize -o json` prints. Sizes in bytes. */
export const QUANTIZE_SCHEMA = 'mmdeploy.quantize/v1';

const count = z.number().int().nonnegative();
const share = z.number().min(0).max(1);

/** Which of a model's two files: the projector with its encoder, or the language model. */
export const QUANTIZE_ROLES = ['encoder', 'weights'] as const;
const roleSchema = z.enum(QUANTIZE_ROLES);
export type QuantizeRole = z.infer<typeof roleSchema>;

const fileSchema = z.object({ path: z.string(), format: z.string(), bytes: count });

const madeFileSchema = z.object({
  role: roleSchema,
  source: fileSchema,
  output: fileSchema,
  tensors: z.object({
    total: count,
    /** Stored in another type than before. */
    converted: count,
    /** Tensors of the output by type, most bytes first. */
    types: z.array(z.object({ type: z.string(), tensors: count, bytes: count })),
    /** Matrices that the format left in a float type. */
    kept: z.array(z.object({ name: z.string(), type: z.string() })),
    /** Tensors in a quantised type other than the format's: a mix, or rows that do not fit its blocks. */
    others: count,
  }),
});
export type MadeFile = z.infer<typeof madeFileSchema>;

/** Drift over some positions. Both distances are of the distributions, not of the text. */
const driftFiguresSchema = z.object({
  /** Next-token distributions that were compared. */
  positions: count,
  /** How many of them have the same most probable token. */
  sameTop: count,
  /** KL(source ‖ output) in nats; lower bounds where not every token was seen. */
  klDivergence: z.object({ mean: z.number().nonnegative(), max: z.number().nonnegative() }),
  /** Largest total variation, between these; equal where every token was seen. */
  totalVariation: z.object({ low: share, high: share }),
  /** True: fewer tokens were seen than the vocabulary has, and the figures are bounds. */
  bound: z.boolean(),
});
export type DriftFigures = z.infer<typeof driftFiguresSchema>;

const comparisonSchema = driftFiguresSchema.extend({
  /** The files that were the new ones; the others were the sources. */
  changed: z.array(roleSchema).min(1),
  inputs: z.array(driftFiguresSchema.extend({ input: z.string() })),
});
export type DriftComparison = z.infer<typeof comparisonSchema>;

const driftSchema = z.object({
  method: z.string(),
  /** Most tokens of each distribution that the engine was asked for. */
  topTokens: count,
  /** Most positions of each input: the answers are compared for as long as they are the same. */
  mostPositions: count,
  comparisons: z.array(comparisonSchema),
});
export type Drift = z.infer<typeof driftSchema>;

export const quantizeSchema = z.object({
  schema: z.literal(QUANTIZE_SCHEMA),
  engine: z.object({
    path: z.string(),
    version: z.string().nullable(),
    build: z.number().int().nullable(),
  }),
  files: z.array(madeFileSchema).min(1),
  /** The pair that was loaded to see that the engine takes the new files. */
  loaded: z.object({ model: z.string(), mmproj: z.string().nullable() }),
  /** Null where it was not measured. */
  drift: driftSchema.nullable(),
  warnings: z.array(z.string()),
});
export type QuantizeResult = z.infer<typeof quantizeSchema>;
