import type { HyperValue, TextModel } from '../contracts/model.ts';
import type { GgufValue } from '../gguf/types.ts';
import { count, FILE_TYPE_F16, real, text, yes } from './gguf-values.ts';
import type { Metadata } from './tokenizer.ts';

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
  const common: [string, GgufValue][] = [
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
  if (GRANITE.test(arch)) {
    for (const key of ['attention.scale', 'embedding_scale', 'residual_scale', 'logit_scale']) {
      common.push([key, real(1)]);
    }
  }
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

/** Architectures with factors that every file must name. */
const GRANITE = /^granite/;

/** Rotary pairs for time, height and width in Qwen's ratio 2:3:3; together half the head size. */
function ropeSections(headSize: number): [string, GgufValue] {
  const time = Math.floor(headSize / 8);
  const height = Math.floor((headSize / 2 - time) / 2);
  const sections = [time, height, headSize / 2 - time - height, 0];
  return ['rope.dimension_sections', { type: 'array', of: 'int32', value: sections }];
}
