import type { EncoderModel } from '../contracts/model.ts';
import type { GgufValue } from '../gguf/types.ts';
import { QWEN25_WINDOW_PATTERN } from '../layout/encoder-limits.ts';
import { count, FILE_TYPE_F16, real, text, yes } from './gguf-values.ts';
import type { Metadata } from './tokenizer.ts';

const reals = (value: readonly number[]): GgufValue => ({ type: 'array', of: 'float32', value });

const numbers = (value: readonly number[]): GgufValue => ({ type: 'array', of: 'int32', value });

type Dims = Omit<EncoderModel, 'tensors' | 'audio'>;

const spatialMerge = ({ merge }: Dims): Metadata => [
  ['clip.vision.spatial_merge_size', count(merge)],
];
const scaleFactor = ({ merge }: Dims): Metadata => [
  ['clip.vision.projector.scale_factor', count(merge)],
];

/** Patches of a side of Youtu-VL's windows. */
const YOUTU_WINDOW = 16;

const pixelKeys = ({ pixels }: Dims): Metadata =>
  pixels === undefined
    ? []
    : [
        ['clip.vision.image_min_pixels', count(pixels.least)],
        ['clip.vision.image_max_pixels', count(pixels.most)],
      ];

function samKeys({ sam }: Dims): Metadata {
  if (sam === undefined) return [];
  return [
    ['clip.vision.sam.block_count', count(sam.layers)],
    ['clip.vision.sam.embedding_length', count(sam.embedding)],
    ['clip.vision.sam.head_count', count(sam.heads)],
    ['clip.vision.window_size', count(sam.window)],
  ];
}

/** Keys that only one projector reads, beside the activation. */
const PROJECTOR_KEYS: Readonly<Record<string, (encoder: Dims) => Metadata>> = {
  deepseekocr: samKeys,
  dots_ocr: (encoder) => [...scaleFactor(encoder), ...pixelKeys(encoder)],
  gemma4uv: scaleFactor,
  gemma4v: scaleFactor,
  glm4v: spatialMerge,
  hunyuanvl: (encoder) => [...spatialMerge(encoder), ...pixelKeys(encoder)],
  idefics3: scaleFactor,
  internvl: scaleFactor,
  kimik25: (encoder) => [...scaleFactor(encoder), ...pixelKeys(encoder)],
  kimivl: scaleFactor,
  lfm2: scaleFactor,
  lightonocr: spatialMerge,
  llama4: scaleFactor,
  minicpmv4_6: (encoder) => [
    ...scaleFactor(encoder),
    ['clip.vision.wa_layer_indexes', numbers([encoder.mergerBlock ?? 6])],
  ],
  mlp: ({ featureLayers }) =>
    featureLayers === undefined ? [] : [['clip.vision.feature_layer', numbers(featureLayers)]],
  nemotron_v2_vl: scaleFactor,
  paddleocr: pixelKeys,
  phi4: pixelKeys,
  pixtral: spatialMerge,
  step3vl: scaleFactor,
  youtuvl: ({ wholeBlocks = [], patchSize }) => [
    ['clip.vision.wa_layer_indexes', numbers(wholeBlocks)],
    ['clip.vision.window_size', count(YOUTU_WINDOW * patchSize)],
  ],
  qwen2vl_merger: spatialMerge,
  'qwen2.5vl_merger': (encoder) => [
    ...spatialMerge(encoder),
    ['clip.vision.n_wa_pattern', count(encoder.windowPattern ?? QWEN25_WINDOW_PATTERN)],
  ],
  qwen3vl_merger: spatialMerge,
  resampler: ({ queries = 64 }) => [
    ['clip.minicpmv_version', { type: 'int32', value: 3 }],
    ['clip.minicpmv_query_num', count(queries)],
  ],
};

/** SiLU in the gated towers, GELU in the others; CLIP's quick GELU is what a file without either means. */
const SILU: readonly string[] = ['dots_ocr', 'lightonocr', 'qwen2.5vl_merger', 'pixtral', 'glm4v'];
const QUICK_GELU: readonly string[] = ['mlp', 'qwen2vl_merger'];

/** Key-values of a projector file with eyes, ears or both. */
export function encoderMetadata(
  name: string,
  encoder: Dims & { readonly audio?: Dims | undefined },
): Metadata {
  const { audio } = encoder;
  return [
    ['general.architecture', text('clip')],
    ['general.type', text('mmproj')],
    ['general.name', text(name)],
    ['general.file_type', count(FILE_TYPE_F16)],
    ...(audio === undefined
      ? [...towerKeys(encoder, 'clip.projector_type'), ...activationKeys(encoder)]
      : [
          ...towerKeys(encoder, 'clip.vision.projector_type'),
          ...towerKeys(audio, 'clip.audio.projector_type'),
          ...activationKeys(encoder),
        ]),
  ];
}

function towerKeys(encoder: Dims, typeKey: string): Metadata {
  const { projectorType } = encoder;
  const tower = encoder.melBins === undefined ? 'vision' : 'audio';
  return [
    [`clip.has_${tower}_encoder`, yes(true)],
    [typeKey, text(projectorType)],
    [`clip.${tower}.embedding_length`, count(encoder.embedding)],
    [`clip.${tower}.feed_forward_length`, count(encoder.feedForward)],
    [`clip.${tower}.projection_dim`, count(encoder.projectionDim)],
    [`clip.${tower}.block_count`, count(encoder.layers)],
    [`clip.${tower}.attention.head_count`, count(encoder.heads)],
    [`clip.${tower}.attention.layer_norm_epsilon`, real(1e-5)],
    ...(tower === 'vision' ? visionKeys(encoder) : audioKeys(encoder)),
    ...(PROJECTOR_KEYS[projectorType]?.(encoder) ?? []),
  ];
}

function activationKeys({ projectorType }: Dims): Metadata {
  const activation = SILU.includes(projectorType) ? 'silu' : 'gelu';
  return [[`clip.use_${activation}`, yes(!QUICK_GELU.includes(projectorType))]];
}

function visionKeys({ imageSize, patchSize }: Dims): Metadata {
  return [
    ['clip.vision.image_size', count(imageSize)],
    ['clip.vision.patch_size', count(patchSize)],
    ['clip.vision.image_mean', reals([0.5, 0.5, 0.5])],
    ['clip.vision.image_std', reals([0.5, 0.5, 0.5])],
  ];
}

function audioKeys({ melBins = 0, stack = 1 }: Dims): Metadata {
  return [
    ['clip.audio.num_mel_bins', count(melBins)],
    ['clip.audio.projector.stack_factor', count(stack)],
  ];
}
