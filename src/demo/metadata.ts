import type { EncoderModel, HyperValue, TextModel } from '../contracts/model.ts';
import type { GgufValue } from '../gguf/types.ts';
import type { Metadata } from './tokenizer.ts';

const text = (value: string): GgufValue => ({ type: 'string', value });
const count = (value: number): GgufValue => ({ type: 'uint32', value });
const real = (value: number): GgufValue => ({ type: 'float32', value });
const yes = (value: boolean): GgufValue => ({ type: 'bool', value });
const reals = (value: readonly number[]): GgufValue => ({ type: 'array', of: 'float32', value });

/** `LLAMA_FTYPE_MOSTLY_F16`: informative only, the tensor list is what is read. */
const FILE_TYPE_F16 = 1;

/** Architectures whose positions are split into time, height and width (M-RoPE). */
const MROPE_ARCHITECTURES: readonly string[] = [
  'qwen2vl',
  'qwen3vl',
  'qwen3vlmoe',
  'qwen35',
  'qwen35moe',
];

/** Key-values of a language model file, without its tokenizer. */
export function textMetadata(name: string, model: Omit<TextModel, 'tensors'>): Metadata {
  const { arch, keyLength } = model;
  const kvHeads = new Set(model.kvHeads);
  // The key of `qwen` counts both feed-forward matrices.
  const feedForward = arch === 'qwen' ? 2 * model.feedForward : model.feedForward;
  const common: Metadata = [
    ['context_length', count(model.contextMax)],
    ['embedding_length', count(model.embedding)],
    ['block_count', count(model.layers)],
    ['feed_forward_length', count(feedForward)],
    ['attention.head_count', count(model.heads)],
    [
      'attention.head_count_kv',
      kvHeads.size === 1
        ? count(model.kvHeads[0] ?? 0)
        : { type: 'array', of: 'uint32', value: model.kvHeads },
    ],
    ['attention.key_length', count(keyLength)],
    ['attention.value_length', count(model.valueLength)],
    ['attention.layer_norm_rms_epsilon', real(1e-5)],
    ['attention.layer_norm_epsilon', real(1e-5)],
    ['rope.dimension_count', count(keyLength)],
    ...(MROPE_ARCHITECTURES.includes(arch) ? [ropeSections(keyLength)] : []),
    ['vocab_size', count(model.vocabulary)],
  ];
  const own = new Map<string, GgufValue>([...common, ...hyperMetadata(model.hyper)]);
  return [
    ['general.architecture', text(arch)],
    ['general.name', text(name)],
    ['general.file_type', count(FILE_TYPE_F16)],
    ...[...own].map(([key, value]): [string, GgufValue] => [`${arch}.${key}`, value]),
  ];
}

/** Keys that hold a fraction; all others are counts, flags or lists of one of them. */
const REAL_KEYS: ReadonlySet<string> = new Set([
  'attention.layer_norm_epsilon',
  'expert_weights_scale',
  'final_logit_softcapping',
]);

function hyperMetadata(hyper: TextModel['hyper']): Metadata {
  return Object.entries(hyper).map(([key, value]) => [key, hyperValue(key, value)]);
}

function hyperValue(key: string, value: HyperValue): GgufValue {
  if (typeof value === 'boolean') return yes(value);
  if (typeof value === 'string') return text(value);
  if (typeof value === 'number') return REAL_KEYS.has(key) ? real(value) : count(value);
  const numbers = value.filter((entry) => typeof entry === 'number');
  if (numbers.length < value.length) {
    return { type: 'array', of: 'bool', value: value.map(Boolean) };
  }
  return { type: 'array', of: 'int32', value: numbers };
}

/** Rotary pairs for time, height and width in Qwen's ratio 2:3:3; together half the head size. */
function ropeSections(headSize: number): readonly [string, GgufValue] {
  const time = Math.floor(headSize / 8);
  const height = Math.floor((headSize / 2 - time) / 2);
  const sections = [time, height, headSize / 2 - time - height, 0];
  return ['rope.dimension_sections', { type: 'array', of: 'int32', value: sections }];
}

/** Keys that only one projector reads. */
const PROJECTOR_KEYS: Readonly<
  Record<string, (encoder: Omit<EncoderModel, 'tensors'>) => Metadata>
> = {
  mlp: () => [['clip.use_gelu', yes(false)]],
  qwen2vl_merger: ({ merge }) => [
    ['clip.use_gelu', yes(false)],
    ['clip.vision.spatial_merge_size', count(merge)],
  ],
  'qwen2.5vl_merger': ({ merge }) => [
    ['clip.use_silu', yes(true)],
    ['clip.vision.spatial_merge_size', count(merge)],
    ['clip.vision.n_wa_pattern', count(8)],
  ],
  internvl: ({ merge }) => [
    ['clip.use_gelu', yes(true)],
    ['clip.vision.projector.scale_factor', count(merge)],
  ],
};

/** Key-values of a projector file with a vision tower. */
export function encoderMetadata(name: string, encoder: Omit<EncoderModel, 'tensors'>): Metadata {
  return [
    ['general.architecture', text('clip')],
    ['general.type', text('mmproj')],
    ['general.name', text(name)],
    ['general.file_type', count(FILE_TYPE_F16)],
    ['clip.has_vision_encoder', yes(true)],
    ['clip.projector_type', text(encoder.projectorType)],
    ['clip.vision.image_size', count(encoder.imageSize)],
    ['clip.vision.patch_size', count(encoder.patchSize)],
    ['clip.vision.embedding_length', count(encoder.embedding)],
    ['clip.vision.feed_forward_length', count(encoder.feedForward)],
    ['clip.vision.projection_dim', count(encoder.projectionDim)],
    ['clip.vision.block_count', count(encoder.layers)],
    ['clip.vision.attention.head_count', count(encoder.heads)],
    ['clip.vision.attention.layer_norm_epsilon', real(1e-5)],
    ['clip.vision.image_mean', reals([0.5, 0.5, 0.5])],
    ['clip.vision.image_std', reals([0.5, 0.5, 0.5])],
    ...(PROJECTOR_KEYS[encoder.projectorType]?.(encoder) ?? []),
  ];
}
