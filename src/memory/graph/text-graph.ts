import { hyperNumber } from '../../layout/hyper.ts';
import { hasExperts, headLengths, predictionLayers } from '../../layout/layer-kinds.ts';
import { allocate } from './allocate.ts';
import { attend } from './attention.ts';
import { experts, feedForward, sharedExpert } from './feed-forward.ts';
import type { ExpertOptions } from './feed-forward.ts';
import { PIPELINE_COPIES, schedule } from './schedule.ts';
import { TextContext } from './text-context.ts';
import type { TextGraphSetup } from './text-context.ts';
export type { TextGraphSetup } from './text-context.ts';
import { elementwise, input, matrixProduct, reshape, rows, setRows, view } from './tensor.ts';
import type { GraphTensor } from './tensor.ts';

/** Bytes of the compute buffer on each GPU, in order, and on the host. */
export type ComputeBytes = { readonly gpus: readonly number[]; readonly host: number };

/** What llama.cpp reserves for the compute graph of `setup`, to the byte but for alignments. */
export function reservedBytes(setup: TextGraphSetup): ComputeBytes {
  const context = new TextContext(setup);
  build(context);
  // Pipeline parallelism: several GPUs, all layers on them, no tensor placed by hand.
  const pipeline = setup.gpus > 1 && !setup.placement.includes(null) && setup.cpuMoeLayers === 0;
  const placed = schedule(context.graph, context.cpu, pipeline ? PIPELINE_COPIES : 1);
  const sizes = allocate(placed, setup.gpus + 1);
  return { gpus: sizes.slice(0, setup.gpus), host: sizes[setup.gpus] ?? 0 };
}

function build(context: TextContext): void {
  const { text, graph } = context;
  let current = embeddings(context);
  const last = text.layers - predictionLayers(text) - 1;
  for (let layer = 0; layer <= last; layer++) {
    current = transformerBlock(context, layer, current, layer === last);
  }
  graph.expand(logits(context, current));
}

/**
 * Token embeddings, or those that an image brings, or both in one batch: llama.cpp lays all three out and
 * takes one (`ggml_build_forward_select`).
 */
function embeddings(context: TextContext): GraphTensor {
  const { text, tokens, graph } = context;
  const table = context.weight('token_embd.weight', null);
  if (table === null) throw new Error('no token embedding');
  const looked = rows(table, input('i32', tokens));
  const mixed = setRows(
    elementwise('DUP', input('f32', text.embedding, tokens)),
    rows(table, input('i32', tokens)),
    input('i64', tokens),
  );
  for (const way of [looked, mixed, input('f32', text.embedding, tokens)]) graph.expand(way);
  return looked;
}

function logits(context: TextContext, current: GraphTensor): GraphTensor {
  const { text } = context;
  const weight =
    context.weight('output_norm.weight', text.layers) ??
    context.weight('token_embd_norm.weight', text.layers);
  const bias = context.weight('output_norm.bias', text.layers);
  const normed = weight === null ? current : context.normBy(weight, bias, current);
  const head = context.weight('output.weight', text.layers) ?? tiedHead(context);
  return matrixProduct(head, normed);
}

function tiedHead(context: TextContext): GraphTensor {
  const head = context.tied();
  if (head === null) throw new Error('no output head');
  return head;
}

/** A block of the LLaMA kind; what an architecture adds shows in the tensors it has. */
function transformerBlock(
  context: TextContext,
  layer: number,
  entry: GraphTensor,
  last: boolean,
): GraphTensor {
  const normed = context.norm(layer, 'attn_norm', entry);
  let attended = selfAttention(context, layer, normed);
  let residual = entry;
  if (last) {
    attended = rows(attended, context.outputRows);
    residual = rows(residual, context.outputRows);
  }
  const middle = context.add(attended, residual);
  const fed = context.norm(layer, 'ffn_norm', middle);
  const result = context.add(network(context, layer, fed), middle);
  return result;
}

function selfAttention(context: TextContext, layer: number, normed: GraphTensor): GraphTensor {
  const { query, key, value } = projections(context, layer, normed);
  const turn = (of: GraphTensor) => elementwise('ROPE', of, context.positions);
  return attend(context, {
    layer,
    query: turn(context.norm(layer, 'attn_q_norm', query)),
    key: turn(context.norm(layer, 'attn_k_norm', key)),
    value,
  });
}

function projections(
  context: TextContext,
  layer: number,
  normed: GraphTensor,
): { query: GraphTensor; key: GraphTensor; value: GraphTensor } {
  const { text, tokens } = context;
  const { key, value } = headLengths(text, layer);
  const kvHeads = text.kvHeads[layer] ?? 0;
  if (context.layerWeight(layer, 'attn_qkv.weight') !== null) {
    const fused = context.project(layer, 'attn_qkv', normed);
    const part = (length: number, heads: number) =>
      view(fused, [length, heads, tokens], [length * 4, fused.strides[1]]);
    return { query: part(key, text.heads), key: part(key, kvHeads), value: part(value, kvHeads) };
  }
  return {
    query: reshape(context.project(layer, 'attn_q', normed), key, text.heads, tokens),
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

/** Values of `expert_gating_func` (`llama_expert_gating_func_type`). */
const SIGMOID_GATING = 2;

function expertOptions({ text }: TextContext): ExpertOptions {
  const gating = hyperNumber(text, 'expert_gating_func');
  const scale = hyperNumber(text, 'expert_weights_scale') ?? 1;
  const scaled = scale !== 0 && scale !== 1;
  switch (text.arch) {
    case 'llama4':
      return { gating: 'sigmoid', normalised: false, scaled, weightFirst: true };
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
