import { z } from 'zod';
import { engineNameSchema, modalitySchema } from '../contracts/basis.ts';
import { isKnownProjector } from '../layout/encoder.ts';
import { HYPER_KEYS } from '../layout/hyper.ts';
import { MEDIA_RESOLUTIONS } from '../tokens/settings.ts';
import { hostedSchema } from './hosted-schema.ts';
import { audioRuleUseSchema, tokenRuleUseSchema } from './token-rule-use.ts';

/**
 * A file of `profiles/models/` or `profiles/api-models/`: one family of models. Strict: an unknown key
 * is an error, so a typo cannot silently fall back to a default.
 */

const id = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]*$/, 'lower case letters, digits, `.` and `-`, as in `qwen2.5-vl-7b`');
const count = z.int().positive();
const name = z.string().min(1);
const imageSize = z
  .string()
  .regex(/^[1-9]\d*x[1-9]\d*$/, 'a size in pixels, as in `1920x1080`')
  .describe('width x height, pixels');

const CONFIRMATIONS = ['confirmed', 'read', 'doubtful'] as const;

/** One number for all layers, or a list that is repeated over them. */
const perLayer = (entry: z.ZodInt) => z.union([entry, z.array(entry).min(1)]);

/** Hyper-parameters of the language model, in the terms of GGUF keys. */
const textSchema = z.strictObject({
  arch: name.describe('`general.architecture` of the GGUF file'),
  layers: count,
  embedding: count,
  heads: count,
  kvHeads: perLayer(z.int().nonnegative()).describe(
    'of each layer; a list is repeated over the layers, 0 for one without a KV cache',
  ),
  headSize: count.describe('of K and of V'),
  feedForward: perLayer(count).describe(
    'width of one matrix; of `qwen` half of its config value; a list is repeated over the layers',
  ),
  vocabulary: count.describe('rows of token_embd in the GGUF file'),
  context: count.describe('largest context trained for, tokens'),
  tiedEmbeddings: z.boolean().describe('true: no `output.weight` of its own'),
  qkvBias: z.boolean().default(false),
  hyper: z
    .partialRecord(
      z.enum(HYPER_KEYS),
      z.union([z.number(), z.boolean(), z.array(z.number()).min(1), z.array(z.boolean()).min(1)]),
    )
    .optional()
    .describe('further GGUF keys of the architecture, without its name: `expert_count` …'),
});

/** The vision tower and its projector, in the terms of `clip.*` keys; what decides its tensor list. */
const visionSchema = z.strictObject({
  projector: name.describe(
    '`clip.projector_type`, or what the model calls it where llama.cpp has none',
  ),
  tower: name,
  layers: z.int().nonnegative().describe('as published; 0 where there is no tower (Gemma 4 12B)'),
  storedLayers: count
    .optional()
    .describe('blocks in the projector file, where it leaves some out (LLaVA-1.5: 23 of 24)'),
  embedding: count,
  heads: z.int().nonnegative(),
  feedForward: z.int().nonnegative(),
  patchSize: count,
  imageSize: count.describe('`clip.vision.image_size`'),
  merge: count.default(1).describe('side of the square of patches that becomes one token'),
  projectionDim: count.describe('must equal the language model’s embedding'),
  norm: z
    .enum(['layer', 'rms'])
    .default('layer')
    .describe('of the tower; the two InternViT sizes differ in it'),
  positions: count
    .optional()
    .describe(
      'rows of the learned positions, where they are not one for each patch of `imageSize`',
    ),
  windowPattern: count
    .optional()
    .describe('of so many blocks the last attends to the whole picture (Qwen2.5-VL: 8)'),
  deepstack: z
    .array(z.int().nonnegative())
    .min(1)
    .optional()
    .describe('blocks whose features reach the language model besides the last (Qwen3-VL)'),
  queries: count.optional().describe('learned queries of a resampler (MiniCPM-V)'),
  siglip: z.boolean().optional().describe('a LLaVA projector on SigLIP: no class token'),
  featureLayers: z
    .array(z.int().nonnegative())
    .min(1)
    .optional()
    .describe('`clip.vision.feature_layer`, counted from 0 up (Granite Vision: 4, 8, 16, 27)'),
  mergerBlock: z
    .int()
    .nonnegative()
    .optional()
    .describe('block after which squares of patches are joined (MiniCPM-V 4.6)'),
  wholeBlocks: z
    .array(z.int().nonnegative())
    .min(1)
    .optional()
    .describe('blocks that attend to the whole picture, the others within windows (Youtu-VL)'),
  kvHeads: count.optional().describe('where they are fewer than heads'),
  pixels: z
    .strictObject({ least: count, most: count })
    .optional()
    .describe('`clip.vision.image_min_pixels` and `image_max_pixels`, where the file has them'),
  sam: z
    .strictObject({ layers: count, embedding: count, heads: count, window: count })
    .optional()
    .describe('the segmentation tower before this one (DeepSeek-OCR)'),
  standardize: z.boolean().optional().describe('mean and deviation after the tower (Gemma 4)'),
  projectorHidden: count
    .optional()
    .describe('width between the projector’s matrices, where it is not `projectionDim`'),
  projectorBias: z.boolean().optional().describe('of the projector’s matrices (Pixtral: true)'),
  parameters: count
    .optional()
    .describe('of tower and projector together, where no tensor list of it is known'),
  warmUpImage: imageSize.describe('what llama.cpp reserves memory for at load'),
  defaultImage: imageSize.describe('the size to plan with when the user names none'),
});

/** The audio tower and its projector, in the terms of `clip.audio.*` keys. */
const audioSchema = z.strictObject({
  projector: name.describe('`clip.projector_type`: `ultravox`, `qwen2a`, `voxtral` …'),
  tower: name,
  layers: z.int().nonnegative().describe('0: no tower (Gemma 4 12B)'),
  embedding: count,
  heads: z.int().nonnegative(),
  feedForward: z.int().nonnegative(),
  melBins: count.describe('`clip.audio.num_mel_bins`'),
  stack: count.optional().describe('steps joined to one: `clip.audio.projector.stack_factor`'),
  projectionDim: count.describe('must equal the language model’s embedding'),
  projectorHidden: count.optional(),
  channels: count.optional().describe('of the convolutions in front (Qwen3: 480)'),
});

const filesSchema = z.strictObject({
  repository: name.describe('Hub repository that is usually taken'),
  model: z.record(z.string(), name).default({}).describe('file name of each quant'),
  mmproj: z.record(z.string(), name).default({}).describe('projector file of each format'),
  source: name.describe('where these names were seen: a wrong file name is worse than none'),
});

/** Quantised weights that somebody publishes for vLLM. */
const checkpointSchema = z.strictObject({
  repository: name.describe('Hub repository of the quantised weights'),
  scheme: z
    .enum(['fp8', 'int8', 'awq', 'w4a16'])
    .describe(
      'how its bytes lie: `fp8`, `int8` and `w4a16` of compressed-tensors, `awq` of AutoAWQ',
    ),
  quantization: z
    .literal('awq')
    .optional()
    .describe('`--quantization`, where vLLM does not find it in the configuration'),
  feedForward: count.optional().describe('where the checkpoint pads the feed-forward'),
  source: name.describe('where the repository was seen'),
});

const exampleSchema = z.strictObject({
  image: imageSize.optional(),
  audio: z
    .number()
    .positive()
    .optional()
    .describe('length of a clip in seconds, in place of `image`'),
  engine: engineNameSchema,
  tokens: count.describe('wrappers included'),
  detail: z.enum(['low', 'high', 'original', 'auto']).optional(),
  mediaResolution: z.enum(MEDIA_RESOLUTIONS).optional(),
  asOf: z.iso.date().optional().describe('by the rule of that day; today’s where left out'),
  source: name,
});

const variantFields = z.strictObject({
  id,
  aliases: z.array(id).default([]),
  name,
  repository: name.nullable().describe('of the original weights; null for an API model'),
  licence: name,
  confidence: z
    .enum(CONFIRMATIONS)
    .describe('confirmed: reproduces a published total; read: in a config; doubtful: believed'),
  modalities: z.array(modalitySchema).min(1),
  engines: z.array(engineNameSchema).min(1),
  defaultEngine: engineNameSchema.optional().describe('the first of `engines` when left out'),
  notes: z.string().optional(),
  caveats: z
    .array(name)
    .default([])
    .describe('what every plan of this model has to say: parts that are not known or not counted'),
  text: textSchema.optional().describe('left out for an API model'),
  vision: visionSchema.optional(),
  audio: audioSchema.optional(),
  imageTokens: z
    .strictObject({
      'llama.cpp': tokenRuleUseSchema.optional(),
      vllm: tokenRuleUseSchema.optional(),
      api: tokenRuleUseSchema.optional(),
    })
    .default({})
    .describe('engines count the same picture differently: one rule for each'),
  audioTokens: z
    .strictObject({
      'llama.cpp': audioRuleUseSchema.optional(),
      vllm: audioRuleUseSchema.optional(),
      api: audioRuleUseSchema.optional(),
    })
    .default({})
    .describe('one rule for each engine that hears with this model'),
  hosted: hostedSchema.optional().describe('only of an API model'),
  files: filesSchema.optional(),
  checkpoints: z
    .partialRecord(z.enum(['FP8', 'INT8', 'INT4']), checkpointSchema)
    .default({})
    .describe(
      'for vLLM: a format without one is not planned, but FP8, which vLLM makes as it loads',
    ),
  publishedParameters: count
    .optional()
    .describe(
      'total that the Hub prints for these very dimensions: a test lays them out and compares',
    ),
  sources: z.array(name).min(1),
  examples: z.array(exampleSchema).default([]),
});

const variantSchema = variantFields.superRefine((variant, context) => {
  for (const { path, message } of contradictions(variant)) {
    context.addIssue({ code: 'custom', path: [...path], message });
  }
});

export const familySchema = z.strictObject({
  family: id,
  title: name,
  variants: z.array(variantSchema).min(1),
});

export type VisionProfile = z.output<typeof visionSchema>;
export type AudioProfile = z.output<typeof audioSchema>;
export type ModelVariant = z.output<typeof variantSchema>;
export type ModelFamily = z.output<typeof familySchema>;

type Contradiction = { readonly path: readonly (string | number)[]; readonly message: string };

/** What no single field shows: engines without a rule, a projector that fits no text model. */
function contradictions(variant: z.output<typeof variantFields>): Contradiction[] {
  const found: Contradiction[] = [];
  const report = (message: string, ...path: (string | number)[]) => found.push({ path, message });
  const { engines, text, vision } = variant;
  const hosted = engines.every((engine) => engine === 'api');
  if (variant.defaultEngine !== undefined && !engines.includes(variant.defaultEngine)) {
    report('`defaultEngine` is not one of `engines`', 'defaultEngine');
  }
  if (!hosted && variant.hosted) report('only an API model has `hosted`', 'hosted');
  if (!hosted && text === undefined) report('a self-hosted model needs `text`', 'text');
  const sees = variant.modalities.includes('image');
  if (!hosted && sees && vision === undefined) {
    report('a model that sees needs `vision`', 'vision');
  }
  if (vision && vision.parameters === undefined && !isKnownProjector(vision.projector)) {
    report(`no tensors of \`${vision.projector}\` are known here`, 'vision', 'parameters');
  }
  if (text && vision && text.embedding !== vision.projectionDim) {
    const widths = `${vision.projectionDim}, not the language model's ${text.embedding}`;
    report(`the projector's output is ${widths}`, 'vision', 'projectionDim');
  }
  const { audio } = variant;
  if (text && audio && text.embedding !== audio.projectionDim) {
    const widths = `${audio.projectionDim}, not the language model's ${text.embedding}`;
    report(`the projector's output is ${widths}`, 'audio', 'projectionDim');
  }
  for (const engine of sees ? engines : []) {
    if (!variant.imageTokens[engine]) report('no rule for this engine', 'imageTokens', engine);
  }
  if (variant.modalities.includes('audio') && Object.keys(variant.audioTokens).length === 0) {
    report('a model that hears needs the rule of an engine', 'audioTokens');
  }
  variant.examples.forEach(({ engine, image, audio }, index) => {
    const rules = image === undefined ? variant.audioTokens : variant.imageTokens;
    if (!rules[engine]) report('no rule for this engine', 'examples', index);
    if ((image === undefined) === (audio === undefined)) {
      report('an example has an `image` or an `audio`', 'examples', index);
    }
  });
  return found;
}

/** `1920x1080` to pixels; null when the text is not a size. */
export function parseImageSize(text: string): { width: number; height: number } | null {
  const match = /^\s*(\d+)\s*[x×]\s*(\d+)\s*$/i.exec(text);
  return match ? { width: Number(match[1]), height: Number(match[2]) } : null;
}
