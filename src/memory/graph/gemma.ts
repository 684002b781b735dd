import { cachingLayers, headLengths, isSliding } from '../../layout/layer-kinds.ts';
import { perLayerWidth } from '../../layout/text-extras.ts';
import { attend } from './attention.ts';
import { experts, feedForward } from './feed-forward.ts';
import { MissingTensor } from './text-context.ts';
import type { TextContext } from './text-context.ts';
import { elementwise, matrixProduct, reshape, rows, view } from './tensor.ts';
import type { GraphTensor } from './tensor.ts';
import type { BlockInput } from './transformer-block.ts';

/** Attention of Gemma 4: V is normalised too, may be K itself, and late layers read earlier caches. */
export function gemmaAttention(
  context: TextContext,
  layer: number,
  normed: GraphTensor,
): GraphTensor {
  const { text, tokens } = context;
  const { key: length } = headLengths(text, layer);
  const factors = isSliding(text, layer) ? null : context.weight('rope_freqs.weight', layer);
  const turn = (of: GraphTensor) => elementwise('ROPE', of, context.positions, factors);
  const heads = (of: GraphTensor, count: number) => reshape(of, length, count, tokens);
  const query = turn(
    context.norm(layer, 'attn_q_norm', heads(context.project(layer, 'attn_q', normed), text.heads)),
  );
  if (layer >= cachingLayers(text))
    return attend(context, { layer, query, key: null, value: null });
  const kvHeads = text.kvHeads[layer] ?? 0;
  const key = context.project(layer, 'attn_k', normed);
  const value =
    context.layerWeight(layer, 'attn_v.weight') === null
      ? key
      : context.project(layer, 'attn_v', normed);
  const keyHeads = heads(key, kvHeads);
  const valueHeads = heads(value, kvHeads);
  return attend(context, {
    layer,
    query,
    key: turn(context.norm(layer, 'attn_k_norm', keyHeads)),
    value: elementwise('RMS_NORM', valueHeads),
  });
}

/** Gemma 4's experts and its dense feed-forward, side by side. */
export function gemmaExperts(
  context: TextContext,
  layer: number,
  middle: GraphTensor,
): GraphTensor {
  const dense = feedForward(context, layer, context.norm(layer, 'ffn_norm', middle));
  const denseNormed = context.norm(layer, 'post_ffw_norm_1', dense);
  const entry = context.norm(layer, 'pre_ffw_norm_2', middle);
  const scaled = context.scale(elementwise('RMS_NORM', middle));
  const weighted = elementwise('MUL', scaled, context.layerWeight(layer, 'ffn_gate_inp.scale'));
  const router = context.layerWeight(layer, 'ffn_gate_inp.weight');
  if (router === null) throw new MissingTensor(`layer ${layer} has no router`);
  const routed = experts(context, layer, entry, {
    gating: 'softmax',
    normalised: true,
    scaled: false,
    scores: matrixProduct(router, weighted),
  });
  return context.add(denseNormed, context.norm(layer, 'post_ffw_norm_2', routed));
}

/** The layer's own embedding, mixed in, and the scale of its output. */
export function gemmaTail(
  context: TextContext,
  { layer, last, shares }: BlockInput,
  result: GraphTensor,
): GraphTensor {
  let current = result;
  if (shares !== null) {
    const gate = elementwise('UNARY', context.project(layer, 'inp_gate', current));
    const slice = view(shares, [perLayerWidth(context.text), context.tokens]);
    const share = last ? rows(slice, context.outputRows) : slice;
    const projected = context.project(layer, 'proj', elementwise('MUL', gate, share));
    current = context.add(current, context.norm(layer, 'post_norm', projected));
  }
  const scale = context.layerWeight(layer, 'layer_output_scale.weight');
  return scale === null ? current : elementwise('MUL', current, scale);
}
