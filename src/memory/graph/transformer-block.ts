import { hyperNumber } from '../../layout/hyper.ts';
import { hasExperts, headLengths, isSliding, recurrentState } from '../../layout/layer-kinds.ts';
import { attend } from './attention.ts';
import { deepstackInput } from './embeddings.ts';
import { experts, feedForward, sharedExpert } from './feed-forward.ts';
import type { ExpertOptions } from './feed-forward.ts';
import { gemmaAttention, gemmaExperts, gemmaTail } from './gemma.ts';
import { latentAttention } from './latent-attention.ts';
import { gatedQuery, linearAttention, outputGate, shortConvolution } from './recurrent.ts';
import type { TextContext } from './text-context.ts';
import { elementwise, reshape, rows, view } from './tensor.ts';
import type { GraphTensor } from './tensor.ts';

/** One block of the stack. */
export type BlockInput = {
  readonly layer: number;
  readonly entry: GraphTensor;
  /** From the attention of the last block on only the rows are kept whose logits are asked for. */
  readonly last: boolean;
  /** Every layer's own embedding (Gemma 3n and 4), tokens x layers. */
  readonly shares: GraphTensor | null;
};

/** Architectures that scale what attention and feed-forward add to the residual. */
const SCALED_RESIDUAL: ReadonlySet<string> = new Set(['granite', 'granitemoe', 'minicpm']);

/** A block of the LLaMA kind; most of what an architecture adds shows in the tensors it has. */
export function transformerBlock(context: TextContext, input: BlockInput): GraphTensor {
  const { layer, entry, last } = input;
  const { arch } = context.text;
  const normed = context.norm(layer, 'attn_norm', entry);
  let attended = attention(context, layer, normed);
  let residual = entry;
  if (last) {
    attended = rows(attended, context.outputRows);
    residual = rows(residual, context.outputRows);
  }
  // Where there is no `ffn_norm`, `post_attention_norm` is its name and no norm of the attention.
  const named = context.layerWeight(layer, 'ffn_norm.weight') !== null;
  if (named) attended = context.norm(layer, 'post_attention_norm', attended);
  if (SCALED_RESIDUAL.has(arch)) attended = context.scale(attended);
  // LFM2 adds the other way round, which decides whose place the sum takes.
  const residualFirst = arch.startsWith('lfm2');
  const sum = (added: GraphTensor, to: GraphTensor) =>
    residualFirst ? context.add(to, added) : context.add(added, to);
  const middle = sum(attended, residual);
  const entryNorm = named ? 'ffn_norm' : 'post_attention_norm';
  let result =
    arch === 'gemma4' && hasExperts(context.text, layer)
      ? gemmaExperts(context, layer, middle)
      : network(context, layer, context.norm(layer, entryNorm, middle));
  result = context.norm(layer, 'post_ffw_norm', result);
  if (SCALED_RESIDUAL.has(arch)) result = context.scale(result);
  result = sum(result, middle);
  if (arch === 'gemma4') return gemmaTail(context, input, result);
  if (layer < (hyperNumber(context.text, 'n_deepstack_layers') ?? 0)) {
    return context.add(result, deepstackInput(context, context.entry ?? entry));
  }
  return result;
}

function attention(context: TextContext, layer: number, normed: GraphTensor): GraphTensor {
  if (recurrentState(context.text, layer) !== null) {
    return context.layerWeight(layer, 'shortconv.conv.weight') === null
      ? linearAttention(context, layer, normed)
      : shortConvolution(context, layer, normed);
  }
  if (context.text.arch === 'gemma4') return gemmaAttention(context, layer, normed);
  if (context.layerWeight(layer, 'attn_kv_a_mqa.weight') !== null) {
    return latentAttention(context, layer, normed);
  }
  const { query, key, value, gate } = projections(context, layer, normed);
  const queryNormed = context.norm(layer, 'attn_q_norm', query);
  const keyNormed = context.norm(layer, 'attn_k_norm', key);
  return attend(context, {
    layer,
    ...positioned(context, layer, queryNormed, keyNormed),
    value,
    sinks: context.layerWeight(layer, 'attn_sinks.weight'),
    ...(gate === undefined ? {} : { gate }),
  });
}

/** Experts of the Llama 4 model whose heads are not normalised. */
const MAVERICK_EXPERTS = 128;

function positioned(
  context: TextContext,
  layer: number,
  query: GraphTensor,
  key: GraphTensor,
): { query: GraphTensor; key: GraphTensor } {
  const { text, tokens } = context;
  const turn = (of: GraphTensor) => elementwise('ROPE', of, context.positions);
  if (text.arch === 'llama4') {
    // Layers that see everything have no positions; their queries are scaled by where they stand.
    if (!isSliding(text, layer)) {
      const scale = context.shared('attention scale', 'f32', 1, 1, tokens);
      return { query: elementwise('MUL', query, scale), key };
    }
    if (hyperNumber(text, 'expert_count') === MAVERICK_EXPERTS) {
      return { query: turn(query), key: turn(key) };
    }
    const norm = (of: GraphTensor) => elementwise('RMS_NORM', turn(of));
    return { query: norm(query), key: norm(key) };
  }
  const turned = turn(query);
  return { query: text.arch === 'gemma3' ? context.scale(turned) : turned, key: turn(key) };
}

function projections(
  context: TextContext,
  layer: number,
  normed: GraphTensor,
): { query: GraphTensor; key: GraphTensor; value: GraphTensor; gate?: () => GraphTensor } {
  const { text, tokens } = context;
  const { key, value } = headLengths(text, layer);
  const kvHeads = text.kvHeads[layer] ?? 0;
  if (context.layerWeight(layer, 'attn_qkv.weight') !== null) {
    const fused = context.project(layer, 'attn_qkv', normed);
    const part = (length: number, heads: number) =>
      view(fused, [length, heads, tokens], [length * 4, fused.strides[1]]);
    return { query: part(key, text.heads), key: part(key, kvHeads), value: part(value, kvHeads) };
  }
  const queries = context.project(layer, 'attn_q', normed);
  const gated = queries.shape[0] === 2 * key * text.heads;
  return {
    query: gated
      ? gatedQuery(context, queries, key, text.heads)
      : reshape(queries, key, text.heads, tokens),
    ...(gated ? { gate: () => outputGate(context, queries, key, text.heads) } : {}),
    key: reshape(context.project(layer, 'attn_k', normed), key, kvHeads, tokens),
    value: reshape(context.project(layer, 'attn_v', normed), value, kvHeads, tokens),
  };
}

function network(context: TextContext, layer: number, of: GraphTensor): GraphTensor {
  if (!hasExperts(context.text, layer)) return feedForward(context, layer, of);
  const routed = experts(context, layer, of, expertOptions(context));
  const shared = sharedExpert(context, layer, of);
  return shared === null ? routed : context.add(routed, shared);
}

/** Value of `expert_gating_func` (`llama_expert_gating_func_type`). */
const SIGMOID_GATING = 2;

function expertOptions({ text }: TextContext): ExpertOptions {
  const gating = hyperNumber(text, 'expert_gating_func');
  const scale = hyperNumber(text, 'expert_weights_scale') ?? 1;
  const scaled = scale !== 0 && scale !== 1;
  switch (text.arch) {
    case 'llama4':
      return { gating: 'sigmoid', normalised: false, scaled, weightFirst: true };
    case 'lfm2moe':
      return { gating: 'sigmoid', normalised: true, scaled };
    case 'gpt-oss':
      return { gating: 'softmax-of-chosen', normalised: false, scaled };
    case 'deepseek2':
    case 'deepseek2-ocr':
    case 'glm4moe':
      return {
        gating:
          gating === SIGMOID_GATING || (gating === undefined && text.arch === 'glm4moe')
            ? 'sigmoid'
            : 'softmax',
        normalised: text.hyper['expert_weights_norm'] === true,
        scaled,
      };
    default:
      return { gating: 'softmax', normalised: true, scaled };
  }
}
