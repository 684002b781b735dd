import { hyperNumber } from '../../layout/hyper.ts';
import type { TextContext } from './text-context.ts';
import { compute, elementwise, reshape, rows, transpose, view, written } from './tensor.ts';
import type { GraphTensor } from './tensor.ts';

/** Sequences that the micro-batch is shared out to. */
function sequences(context: TextContext): { count: number; tokens: number } {
  const count = context.setup.cache.streams;
  return { count, tokens: context.tokens / count };
}

/** Writes a window of the graph into the state that a layer keeps (`ggml_cpy`: the result is the target). */
function save(context: TextContext, from: GraphTensor, state: GraphTensor, width: number): void {
  const target = view(state, [width]);
  context.graph.expand(written('CPY', state, target.shape, [from, target]));
}

/** State rows of the batch's sequences, taken out of the cache (`build_rs`). */
function load(context: TextContext, state: GraphTensor): GraphTensor {
  const { graph, setup } = context;
  const [width] = state.shape;
  const { count } = sequences(context);
  const states = reshape(state, width, setup.slots);
  const zeroed = view(states, [0]);
  graph.expand(written('SCALE', state, zeroed.shape, [zeroed]));
  const order = context.shared('state rows', 'i32', setup.slots);
  const own = rows(states, view(order, [count]));
  graph.expand(own);
  const others = setup.slots - count;
  if (others > 0) save(context, rows(states, view(order, [others])), state, width * others);
  return own;
}

/** LFM2's short convolution (`lfm2.cpp`). */
export function shortConvolution(
  context: TextContext,
  layer: number,
  normed: GraphTensor,
): GraphTensor {
  const { text, tokens } = context;
  const { count, tokens: share } = sequences(context);
  const width = text.embedding;
  const kernel = hyperNumber(text, 'shortconv.l_cache') ?? 0;
  const entry = reshape(normed, width, share, count);
  const all = context.project(layer, 'shortconv.in_proj', entry);
  const part = () => view(all, [width, share, count], [all.strides[1], all.strides[2]]);
  const gated = transpose(elementwise('MUL', part(), part()));
  const { convolution } = context.state(layer);
  const past = reshape(load(context, convolution), kernel - 1, width, count);
  const joined = compute('CONCAT', [kernel - 1 + share, width, count], [past, gated]);
  const kept = view(joined, [kernel - 1, width, count], [joined.strides[1], joined.strides[2]]);
  save(context, kept, convolution, (kernel - 1) * width * count);
  const weight = context.layerWeight(layer, 'shortconv.conv.weight');
  const convolved = compute('SSM_CONV', [width, share, count], [joined, weight]);
  const result = context.project(
    layer,
    'shortconv.out_proj',
    elementwise('MUL', part(), convolved),
  );
  return reshape(result, width, tokens);
}

/** Gated delta rule of Qwen3.5's linear attention (`qwen35.cpp`, `delta-net-base.cpp`). */
export function linearAttention(
  context: TextContext,
  layer: number,
  normed: GraphTensor,
): GraphTensor {
  const { text, tokens, graph } = context;
  const { count, tokens: share } = sequences(context);
  const number = (key: string) => hyperNumber(text, key) ?? 0;
  const inner = number('ssm.inner_size');
  const heads = number('ssm.time_step_rank');
  const groups = number('ssm.group_count');
  const size = number('ssm.state_size');
  const kernel = number('ssm.conv_kernel');
  const channels = inner + 2 * groups * size;
  const { convolution, state } = context.state(layer);
  graph.expand(normed);
  const past = reshape(load(context, convolution), kernel - 1, channels, count);
  const mixed = reshape(context.project(layer, 'attn_qkv', normed), channels, share, count);
  const joined = compute('CONCAT', [kernel - 1 + share, channels, count], [past, transpose(mixed)]);
  const kept = view(joined, [kernel - 1, channels, count], [joined.strides[1], joined.strides[2]]);
  save(context, kept, convolution, (kernel - 1) * channels * count);
  const held = reshape(load(context, state), inner / heads, inner / heads, heads, count);
  const weight = context.layerWeight(layer, 'ssm_conv1d.weight');
  const convolved = elementwise(
    'UNARY',
    compute('SSM_CONV', [channels, share, count], [joined, weight]),
  );
  const row = channels * 4;
  const part = (length: number, number: number) =>
    view(convolved, [length, number, share, count], [length * 4, row, row * share]);
  const direction = () => context.scale(elementwise('RMS_NORM', part(size, groups)));
  const query = direction();
  const key = direction();
  const decay = decayOf(context, layer, normed, [heads, share, count]);
  const beta = elementwise(
    'UNARY',
    reshape(context.project(layer, 'ssm_beta', normed), 1, heads, share, count),
  );
  const result = compute(
    'GATED_DELTA_NET',
    [inner, tokens + (inner / heads) * count],
    [query, key, part(inner / heads, heads), decay, beta, held],
  );
  save(context, view(result, [state.shape[0], count]), state, state.shape[0] * count);
  const output = view(result, [inner / heads, heads, share, count]);
  const gate = reshape(
    context.project(layer, 'attn_gate', normed),
    inner / heads,
    heads,
    share,
    count,
  );
  const gated = elementwise(
    'MUL',
    context.norm(layer, 'ssm_norm', output),
    elementwise('UNARY', gate),
  );
  const projected = context.project(layer, 'ssm_out', reshape(gated, inner, share, count));
  return reshape(projected, text.embedding, tokens);
}

function decayOf(
  context: TextContext,
  layer: number,
  normed: GraphTensor,
  shape: readonly [number, number, number],
): GraphTensor {
  const alpha = reshape(context.project(layer, 'ssm_alpha', normed), ...shape);
  const biased = elementwise('ADD', alpha, context.layerWeight(layer, 'ssm_dt.bias'));
  const rate = context.layerWeight(layer, 'ssm_a');
  return reshape(elementwise('MUL', elementwise('UNARY', biased), rate), 1, ...shape);
}

/** The part of q that gates the attention's output in Qwen3.5's full layers. */
export function outputGate(context: TextContext, of: GraphTensor, length: number, heads: number) {
  const { tokens } = context;
  const half = view(of, [length, heads, tokens], [2 * length * 4, of.strides[1]]);
  return elementwise('UNARY', compute('CONT', [length * heads, tokens], [half]));
}

/** Query half of the same matrix. */
export function gatedQuery(context: TextContext, of: GraphTensor, length: number, heads: number) {
  return view(of, [length, heads, context.tokens], [2 * length * 4, of.strides[1]]);
}
