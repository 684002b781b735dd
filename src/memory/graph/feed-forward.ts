import { hyperNumber } from '../../layout/hyper.ts';
import { MissingTensor } from './text-context.ts';
import type { TextContext } from './text-context.ts';
import {
  compute,
  elementwise,
  expertProduct,
  matrixProduct,
  reshape,
  rows,
  view,
} from './tensor.ts';
import type { GraphTensor } from './tensor.ts';

/** Dense feed-forward (`build_ffn`): up and gate side by side, or one matrix that holds both. */
export function feedForward(
  context: TextContext,
  layer: number,
  of: GraphTensor,
  suffix: '' | '_shexp' = '',
): GraphTensor {
  const up = context.project(layer, `ffn_up${suffix}`, of);
  const gated = context.layerWeight(layer, `ffn_gate${suffix}.weight`) !== null;
  const down = context.layerWeight(layer, `ffn_down${suffix}.weight`);
  const width = down?.shape[0] ?? up.shape[0];
  let active: GraphTensor;
  if (gated) {
    const gate = context.project(layer, `ffn_gate${suffix}`, of);
    active = compute('GLU', gate.shape, [gate, up]);
  } else if (up.shape[0] === 2 * width) {
    active = compute('GLU', [width, ...up.shape.slice(1)], [up]);
  } else {
    active = elementwise('UNARY', up);
  }
  return context.project(layer, `ffn_down${suffix}`, active);
}

/** `LLAMA_MAX_EXPERTS`. */
const MAX_EXPERTS = 512;

export type ExpertOptions = {
  readonly gating: 'softmax' | 'sigmoid' | 'softmax-of-chosen';
  /** The weights of the chosen experts are made to add up to one. */
  readonly normalised: boolean;
  readonly scaled: boolean;
  /** Llama 4 weights the input of the experts, all others their output. */
  readonly weightFirst?: boolean;
  /** Scores of the router where the caller computes them. */
  readonly scores?: GraphTensor;
};

/** Mixture of experts (`build_moe_ffn`): every token is run by the few experts that the router chooses. */
export function experts(
  context: TextContext,
  layer: number,
  of: GraphTensor,
  options: ExpertOptions,
): GraphTensor {
  const { graph, tokens } = context;
  const [width] = of.shape;
  const used = Math.min(hyperNumber(context.text, 'expert_used_count') ?? 1, MAX_EXPERTS);
  const { selected, weights } = route(context, layer, of, used, options);
  graph.expand(weights);
  let entry = reshape(of, width, 1, tokensOf(of));
  if (options.weightFirst === true) {
    entry = elementwise('MUL', compute('REPEAT', [width, used, tokensOf(of)], [entry]), weights);
  }
  let result = expertProducts(context, layer, entry, selected);
  if (options.weightFirst !== true) result = elementwise('MUL', result, weights);
  graph.expand(result);
  const parts = Array.from({ length: used }, () =>
    view(result, [width, tokensOf(of)], [result.strides[2]]),
  );
  for (const part of parts) graph.expand(part);
  const [first, ...others] = parts;
  if (first === undefined) throw new MissingTensor(`no expert of ${tokens} tokens`);
  if (others.length === 0) return context.contiguous(first);
  return others.reduce((sum, part) => {
    const added = elementwise('ADD', sum, part);
    graph.expand(added);
    return added;
  }, first);
}

function tokensOf(of: GraphTensor): number {
  return of.shape[1];
}

function route(
  context: TextContext,
  layer: number,
  of: GraphTensor,
  used: number,
  { gating, normalised, scaled, weightFirst = false, scores: given }: ExpertOptions,
): { selected: GraphTensor; weights: GraphTensor } {
  const scores = given ?? context.project(layer, 'ffn_gate_inp', of);
  const [count] = scores.shape;
  const chances =
    gating === 'softmax-of-chosen'
      ? scores
      : elementwise(gating === 'softmax' ? 'SOFT_MAX' : 'UNARY', scores);
  const bias = context.layerWeight(layer, 'exp_probs_b.bias');
  const ranked = weightFirst ? scores : bias === null ? chances : elementwise('ADD', chances, bias);
  const sorted = compute('ARGSORT', ranked.shape, [ranked], 'i32');
  const selected = view(sorted, [used, tokensOf(of)], [sorted.strides[1]]);
  let weights = rows(reshape(chances, 1, count, tokensOf(of)), selected);
  if (gating === 'softmax-of-chosen') {
    weights = elementwise('SOFT_MAX', reshape(weights, used, tokensOf(of)));
    weights = reshape(weights, 1, used, tokensOf(of));
  }
  if (normalised) {
    const flat = reshape(weights, used, tokensOf(of));
    const total = elementwise('CLAMP', compute('SUM_ROWS', [1, tokensOf(of)], [flat]));
    weights = reshape(elementwise('DIV', flat, total), 1, used, tokensOf(of));
  }
  return { selected, weights: scaled ? elementwise('SCALE', weights) : weights };
}

function expertProducts(
  context: TextContext,
  layer: number,
  entry: GraphTensor,
  selected: GraphTensor,
): GraphTensor {
  const product = (name: string, by: GraphTensor) => {
    const weight = context.layerWeight(layer, `${name}.weight`);
    if (weight === null) return null;
    const made = expertProduct(weight, by, selected);
    const bias = context.layerWeight(layer, `${name}.bias`);
    return bias === null ? made : elementwise('ADD_ID', made, bias, selected);
  };
  const fused = product('ffn_gate_up_exps', entry);
  let active: GraphTensor;
  if (fused !== null) {
    const [double, used, count] = fused.shape;
    const half = () => view(fused, [double / 2, used, count], [fused.strides[1], fused.strides[2]]);
    active = compute('GLU', [double / 2, used, count], [half(), half()]);
  } else {
    const up = product('ffn_up_exps', entry);
    const gate = product('ffn_gate_exps', entry);
    const first = gate ?? up;
    if (first === null) throw new MissingTensor(`layer ${layer} has no experts`);
    active = gate === null ? elementwise('UNARY', first) : compute('GLU', first.shape, [first, up]);
  }
  const down = product('ffn_down_exps', active);
  if (down === null) throw new MissingTensor(`layer ${layer} has no experts`);
  return down;
}

/** The shared expert beside the chosen ones, which Qwen3.5 gates by a scalar of its own. */
export function sharedExpert(
  context: TextContext,
  layer: number,
  of: GraphTensor,
): GraphTensor | null {
  if (context.layerWeight(layer, 'ffn_up_shexp.weight') === null) return null;
  const shared = feedForward(context, layer, of, '_shexp');
  const gate = context.layerWeight(layer, 'ffn_gate_inp_shexp.weight');
  if (gate === null) return shared;
  return elementwise('MUL', shared, elementwise('UNARY', matrixProduct(gate, of)));
}
