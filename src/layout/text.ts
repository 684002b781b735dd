import type { HyperValue, TensorInfo } from '../contracts/model.ts';
import { hyperNumber } from './hyper.ts';
import {
  cachingLayers,
  feedForwardOf,
  hasExperts,
  headLengths,
  isSliding,
  recurrentState,
} from './layer-kinds.ts';
import type { LayeredModel } from './layer-kinds.ts';
import { expertTensors, perLayerInputs, perLayerTables, perLayerWidth } from './text-extras.ts';
import { tensorList } from './tensor-list.ts';
import type { FloatFormat, TensorList } from './tensor-list.ts';

export { tensorList } from './tensor-list.ts';
export type { FloatFormat, TensorList } from './tensor-list.ts';

/** What the tensors of a language model follow from. */
export type TextDims = {
  /** `general.architecture`. */
  readonly arch: string;
  readonly layers: number;
  readonly embedding: number;
  readonly heads: number;
  /** A list is repeated over the layers; 0 where a layer keeps no KV cache. */
  readonly kvHeads: number | readonly number[];
  readonly headSize: number;
  /** Width of one feed-forward matrix; of `qwen` that is half of its `feed_forward_length` key. A list is repeated. */
  readonly feedForward: number | readonly number[];
  readonly vocabulary: number;
  /** The output matrix is the token embedding: no `output.weight` in the file. */
  readonly tiedEmbeddings: boolean;
  readonly qkvBias: boolean;
  /** As `TextModel.hyper`; a list that is shorter than the layers is repeated over them. */
  readonly hyper?: Readonly<Partial<Record<string, HyperValue>>> | undefined;
};

/** What a layer's tensors are made from: the dimensions, and the same as the rules of `layer-kinds` ask. */
export type LayerContext = {
  readonly list: TensorList;
  readonly dims: TextDims;
  readonly model: LayeredModel & { readonly feedForward: number };
  readonly layer: number;
  readonly prefix: string;
};

/** Architectures that normalise each head of q and of k. */
const HEAD_NORMS: ReadonlySet<string> = new Set([
  'qwen3',
  'qwen3moe',
  'qwen3vl',
  'qwen3vlmoe',
  'qwen35',
  'qwen35moe',
  'gemma3',
  'gemma3n',
  'gemma4',
  'lfm2',
  'lfm2moe',
  'hunyuan-dense',
  'hunyuan_vl',
]);
/** Norms after attention and after the feed-forward beside those before them. */
const POST_NORMS: ReadonlySet<string> = new Set(['gemma3', 'gemma3n', 'gemma4', 'glm4']);
/** The norm before the feed-forward goes by `post_attention_norm`. */
const RENAMED_FFN_NORM: ReadonlySet<string> = new Set([
  'glm4moe',
  'gpt-oss',
  'qwen35',
  'qwen35moe',
]);
/** Gate and up in one matrix. */
const FUSED_GATE: ReadonlySet<string> = new Set(['glm4', 'phi3']);
const FUSED_QKV: ReadonlySet<string> = new Set(['qwen', 'phi2', 'phi3']);

/**
 * Tensors of a language model as `convert_hf_to_gguf.py` writes them, shapes as ggml's `ne`, in the order of the
 * blocks. An architecture that is not known by name is laid out like `llama`.
 */
export function textTensors(dims: TextDims, format: FloatFormat = 'F16'): TensorInfo[] {
  const list = tensorList(format);
  const model = layeredModel(dims);
  list.matrix('token_embd.weight', dims.embedding, dims.vocabulary);
  perLayerTables(list, dims, model);
  for (let layer = 0; layer < dims.layers; layer++) {
    block({ list, dims, model, layer, prefix: `blk.${layer}` });
  }
  list.vector(
    /^lfm2/.test(dims.arch) ? 'token_embd_norm.weight' : 'output_norm.weight',
    dims.embedding,
  );
  if (dims.arch === 'phi2') list.vector('output_norm.bias', dims.embedding);
  if (!dims.tiedEmbeddings) list.matrix('output.weight', dims.embedding, dims.vocabulary);
  if (dims.arch === 'phi2') list.vector('output.bias', dims.vocabulary);
  return list.tensors;
}

/** The dimensions as the rules of `layer-kinds` read them. */
export function layeredModel(dims: TextDims): LayeredModel & { readonly feedForward: number } {
  const { arch, layers, embedding, headSize } = dims;
  const hyper = spreadHyper(dims);
  return {
    arch,
    layers,
    embedding,
    keyLength: headSize,
    // Latent attention reads V out of the compressed K.
    valueLength: hyperNumber({ hyper }, 'attention.kv_lora_rank') ?? headSize,
    kvHeads: spread(dims.kvHeads, layers),
    feedForward: Math.max(...spread(dims.feedForward, layers)),
    hyper,
  };
}

function spread(value: number | readonly number[], layers: number): readonly number[] {
  const list = typeof value === 'number' ? [value] : value;
  return Array.from({ length: layers }, (_, layer) => list[layer % list.length] ?? 0);
}

/** Lists with an entry for each layer, as a header holds them. */
const LISTS_OF_LAYERS = ['attention.sliding_window_pattern'] as const;

function spreadHyper({ hyper = {}, feedForward, layers }: TextDims): Record<string, HyperValue> {
  const spreadOut: Record<string, HyperValue> = {};
  for (const [key, value] of Object.entries(hyper)) if (value !== undefined) spreadOut[key] = value;
  for (const key of LISTS_OF_LAYERS) {
    const value = hyper[key];
    if (!Array.isArray(value)) continue;
    const list = value as readonly boolean[];
    spreadOut[key] = Array.from(
      { length: layers },
      (_, layer) => list[layer % list.length] ?? false,
    );
  }
  if (typeof feedForward !== 'number')
    spreadOut['feed_forward_length'] = spread(feedForward, layers);
  return spreadOut;
}

function block(context: LayerContext): void {
  const { list, dims, model, layer, prefix } = context;
  const { arch, embedding } = dims;
  list.vector(`${prefix}.attn_norm.weight`, embedding);
  if (arch === 'phi2') list.vector(`${prefix}.attn_norm.bias`, embedding);
  if (recurrentState(model, layer) !== null) recurrent(context);
  else if (model.hyper['attention.kv_lora_rank'] !== undefined) latentAttention(context);
  else attention(context);
  if (arch !== 'phi2') {
    list.vector(
      `${prefix}.${RENAMED_FFN_NORM.has(arch) ? 'post_attention_norm' : 'ffn_norm'}.weight`,
      embedding,
    );
  }
  if (POST_NORMS.has(arch)) {
    list.vector(`${prefix}.post_attention_norm.weight`, embedding);
    list.vector(`${prefix}.post_ffw_norm.weight`, embedding);
  }
  // Gemma 4 runs its experts beside a dense feed-forward.
  if (hasExperts(model, layer)) expertTensors(context);
  if (!hasExperts(model, layer) || arch === 'gemma4') feedForward(context);
  perLayerInputs(context);
}

function feedForward({ list, dims, model, layer, prefix }: LayerContext): void {
  const width = feedForwardOf(model, layer);
  const fused = FUSED_GATE.has(dims.arch);
  if (!fused && dims.arch !== 'phi2')
    list.matrix(`${prefix}.ffn_gate.weight`, dims.embedding, width);
  list.matrix(`${prefix}.ffn_up.weight`, dims.embedding, fused ? 2 * width : width);
  list.matrix(`${prefix}.ffn_down.weight`, width, dims.embedding);
  if (dims.arch === 'phi2') {
    list.vector(`${prefix}.ffn_up.bias`, width);
    list.vector(`${prefix}.ffn_down.bias`, dims.embedding);
  }
}

function attention({ list, dims, model, layer, prefix }: LayerContext): void {
  const { arch, embedding, heads, qkvBias } = dims;
  const { key, value } = headLengths(model, layer);
  const kvHeads = model.kvHeads[layer] ?? 0;
  // Qwen3.5 gates the attention's output with a second half of q.
  const queries = heads * key * (arch === 'qwen35' || arch === 'qwen35moe' ? 2 : 1);
  const parts: [name: string, width: number][] = [['q', queries]];
  if (arch !== 'gemma4' || layer < cachingLayers(model)) parts.push(['k', kvHeads * key]);
  if (arch !== 'gemma4' || ownsValues(model, layer)) parts.push(['v', kvHeads * value]);
  if (FUSED_QKV.has(arch)) {
    const width = parts.reduce((sum, [, part]) => sum + part, 0);
    list.matrix(`${prefix}.attn_qkv.weight`, embedding, width);
    if (qkvBias) list.vector(`${prefix}.attn_qkv.bias`, width);
  } else {
    for (const [name, width] of parts) {
      list.matrix(`${prefix}.attn_${name}.weight`, embedding, width);
      if (qkvBias) list.vector(`${prefix}.attn_${name}.bias`, width);
    }
  }
  list.matrix(`${prefix}.attn_output.weight`, heads * value, embedding);
  if (arch === 'gpt-oss' || arch === 'phi2') list.vector(`${prefix}.attn_output.bias`, embedding);
  if (arch === 'gpt-oss') list.vector(`${prefix}.attn_sinks.weight`, heads);
  if (HEAD_NORMS.has(arch)) {
    list.vector(`${prefix}.attn_q_norm.weight`, key);
    if (parts.length > 1) list.vector(`${prefix}.attn_k_norm.weight`, key);
  }
}

/** Larger Gemma 4 models use K as V in the layers that see everything. */
function ownsValues(model: LayeredModel, layer: number): boolean {
  if (layer >= cachingLayers(model)) return false;
  return isSliding(model, layer) || perLayerWidth(model) > 0;
}

function latentAttention({ list, dims, model, prefix }: LayerContext): void {
  const { embedding, heads } = dims;
  const number = (key: string) => hyperNumber(model, key) ?? 0;
  const rank = number('attention.kv_lora_rank');
  const rope = number('rope.dimension_count');
  const key = number('attention.key_length_mla');
  const value = number('attention.value_length_mla');
  const queryRank = number('attention.q_lora_rank');
  if (queryRank > 0) {
    list.matrix(`${prefix}.attn_q_a.weight`, embedding, queryRank);
    list.vector(`${prefix}.attn_q_a_norm.weight`, queryRank);
    list.matrix(`${prefix}.attn_q_b.weight`, queryRank, heads * key);
  } else {
    list.matrix(`${prefix}.attn_q.weight`, embedding, heads * key);
  }
  list.matrix(`${prefix}.attn_kv_a_mqa.weight`, embedding, rank + rope);
  list.vector(`${prefix}.attn_kv_a_norm.weight`, rank);
  list.matrix(`${prefix}.attn_k_b.weight`, key - rope, rank, heads);
  list.matrix(`${prefix}.attn_v_b.weight`, rank, value, heads);
  list.matrix(`${prefix}.attn_output.weight`, heads * value, embedding);
}

function recurrent({ list, dims, model, prefix }: LayerContext): void {
  const { embedding } = dims;
  const number = (key: string) => hyperNumber(model, key) ?? 0;
  const cache = number('shortconv.l_cache');
  if (cache > 0) {
    list.add(`${prefix}.shortconv.conv.weight`, [cache, embedding], 'F32');
    list.matrix(`${prefix}.shortconv.in_proj.weight`, embedding, 3 * embedding);
    list.matrix(`${prefix}.shortconv.out_proj.weight`, embedding, embedding);
    return;
  }
  const inner = number('ssm.inner_size');
  const valueHeads = number('ssm.time_step_rank');
  const mixed = inner + 2 * number('ssm.group_count') * number('ssm.state_size');
  list.matrix(`${prefix}.attn_qkv.weight`, embedding, mixed);
  list.matrix(`${prefix}.attn_gate.weight`, embedding, inner);
  list.add(`${prefix}.ssm_conv1d.weight`, [number('ssm.conv_kernel'), mixed], 'F32');
  list.vector(`${prefix}.ssm_dt.bias`, valueHeads);
  list.vector(`${prefix}.ssm_a`, valueHeads);
  list.matrix(`${prefix}.ssm_beta.weight`, embedding, valueHeads);
  list.matrix(`${prefix}.ssm_alpha.weight`, embedding, valueHeads);
  list.vector(`${prefix}.ssm_norm.weight`, inner / valueHeads);
  list.matrix(`${prefix}.ssm_out.weight`, inner, embedding);
}
