import { cachingLayers, headLengths } from '../../layout/layer-kinds.ts';
import { ALTUP_STREAMS, perLayerWidth } from '../../layout/text-extras.ts';
import { attend } from './attention.ts';
import { MissingTensor } from './text-context.ts';
import type { TextContext } from './text-context.ts';
import {
  compute,
  elementwise,
  matrixProduct,
  permute,
  reshape,
  rows,
  transpose,
  view,
} from './tensor.ts';
import type { GraphTensor } from './tensor.ts';

/** Layers from the first whose feed-forward keeps only the strongest activations. */
export const SPARSE_LAYERS = 10;

/** One of the streams that Gemma 3n runs side by side, or the others of them. */
function stream(of: GraphTensor): GraphTensor {
  return view(of, [of.shape[0], of.shape[1]], [of.strides[1]]);
}

function otherStreams(of: GraphTensor): GraphTensor {
  const [width, tokens, count] = of.shape;
  return view(of, [width, tokens, count - 1], [of.strides[1], of.strides[2]]);
}

function magnitude(of: GraphTensor): GraphTensor {
  const [, b, c] = of.shape;
  return elementwise('SQRT', compute('SUM_ROWS', [1, b, c], [elementwise('SQR', of)]));
}

/** Brings `of` to the magnitude of `like`. */
function matched(of: GraphTensor, target: GraphTensor): GraphTensor {
  return elementwise('DIV', elementwise('MUL', of, target), magnitude(of));
}

/** The entry of all streams: the embedding and what is projected from it. */
export function gemma3nStreams(context: TextContext, entry: GraphTensor): GraphTensor {
  const [width, tokens] = entry.shape;
  const weight = context.weight('altup_proj.weight', context.text.layers);
  if (weight === null) throw new MissingTensor('no altup projection');
  const target = magnitude(entry);
  const repeated = compute('REPEAT', [width, tokens, ALTUP_STREAMS - 1], [entry]);
  const others = matched(matrixProduct(weight, repeated), target);
  return compute('CONCAT', [width, tokens, ALTUP_STREAMS], [entry, others]);
}

/** One stream again, of the rows whose logits are asked for. */
export function gemma3nMerge(context: TextContext, streams: GraphTensor): GraphTensor {
  const weight = context.weight('altup_unembd_proj.weight', context.text.layers);
  if (weight === null) throw new MissingTensor('no altup projection');
  const target = magnitude(stream(streams));
  const others = matched(matrixProduct(weight, otherStreams(streams)), target);
  let sum = stream(streams);
  for (let index = 1; index < ALTUP_STREAMS; index++) sum = context.add(sum, stream(others));
  return rows(context.scale(sum), context.outputRows);
}

function modalities(context: TextContext, layer: number, of: GraphTensor): GraphTensor {
  const normed = context.scale(context.norm(layer, 'altup_router_norm', of));
  return elementwise('UNARY', context.project(layer, 'altup_router', normed));
}

function predict(context: TextContext, layer: number, streams: GraphTensor): GraphTensor {
  const { tokens } = context;
  const routes = modalities(context, layer, stream(streams));
  const factors = reshape(
    context.project(layer, 'altup_predict_coef', routes),
    ALTUP_STREAMS,
    ALTUP_STREAMS,
    tokens,
  );
  const turned = context.contiguous(permute(streams, [1, 2, 0, 3]));
  const product = matrixProduct(turned, factors);
  return context.add(context.contiguous(permute(product, [0, 2, 1, 3])), streams);
}

function correct(
  context: TextContext,
  layer: number,
  predictions: GraphTensor,
  activated: GraphTensor,
): GraphTensor {
  const { tokens, text } = context;
  const routes = modalities(context, layer, activated);
  const innovation = elementwise('SUB', activated, stream(predictions));
  const factors = context.scale(context.project(layer, 'altup_correct_coef', routes));
  const columns = compute('CONT', [1, tokens, ALTUP_STREAMS], [transpose(factors)]);
  const repeated = compute('REPEAT', [text.embedding, tokens, ALTUP_STREAMS], [innovation]);
  return context.add(elementwise('MUL', repeated, columns), predictions);
}

/** Block of Gemma 3n (`gemma3n.cpp`); `entry` and result hold all streams. */
export function gemma3nBlock(
  context: TextContext,
  layer: number,
  entry: GraphTensor,
  shares: GraphTensor | null,
): GraphTensor {
  const { text } = context;
  const predictions = predict(context, layer, entry);
  const active = stream(predictions);
  const normed = context.norm(layer, 'attn_norm', active);
  const low = context.project(layer, 'laurel_l', normed);
  const shortcut = context.add(
    context.norm(layer, 'laurel_post_norm', context.project(layer, 'laurel_r', low)),
    normed,
  );
  const attended = context.norm(layer, 'post_attention_norm', attention(context, layer, normed));
  const middle = context.scale(context.add(context.add(attended, active), shortcut));
  const fed = network(context, layer, context.norm(layer, 'ffn_norm', middle));
  const activated = context.add(context.norm(layer, 'post_ffw_norm', fed), middle);
  const corrected = correct(context, layer, predictions, activated);
  const scale = context.layerWeight(layer, 'altup_correct_scale.weight');
  const scaled = elementwise('MUL', stream(corrected), scale);
  let first = elementwise('UNARY', context.project(layer, 'inp_gate', scaled));
  if (shares !== null) {
    first = elementwise('MUL', first, view(shares, [perLayerWidth(text), context.tokens]));
  }
  first = context.norm(layer, 'post_norm', context.project(layer, 'proj', first));
  const others = context.add(otherStreams(corrected), first);
  return compute('CONCAT', corrected.shape, [stream(corrected), others]);
}

function attention(context: TextContext, layer: number, normed: GraphTensor): GraphTensor {
  const { text, tokens } = context;
  const { key: length } = headLengths(text, layer);
  const kvHeads = text.kvHeads[layer] ?? 0;
  const turn = (of: GraphTensor) => elementwise('ROPE', of, context.positions);
  const heads = (name: string, count: number) =>
    reshape(context.project(layer, name, normed), length, count, tokens);
  const query = turn(context.norm(layer, 'attn_q_norm', heads('attn_q', text.heads)));
  if (layer >= cachingLayers(text))
    return attend(context, { layer, query, key: null, value: null });
  return attend(context, {
    layer,
    query,
    key: turn(context.norm(layer, 'attn_k_norm', heads('attn_k', kvHeads))),
    value: elementwise('RMS_NORM', heads('attn_v', kvHeads)),
  });
}

function network(context: TextContext, layer: number, of: GraphTensor): GraphTensor {
  const up = context.project(layer, 'ffn_up', of);
  const gate = context.project(layer, 'ffn_gate', of);
  const kept = layer < SPARSE_LAYERS ? strongest(context, gate) : gate;
  const active = elementwise('MUL', up, elementwise('UNARY', kept));
  return context.project(layer, 'ffn_down', active);
}

/** Cuts off what lies below a quantile of a normal distribution with the row's mean and deviation. */
function strongest(context: TextContext, of: GraphTensor): GraphTensor {
  const [, tokens] = of.shape;
  const mean = compute('MEAN', [1, tokens], [of]);
  const squares = elementwise('SQR', elementwise('SUB', of, mean));
  const deviation = elementwise('SQRT', context.scale(compute('SUM_ROWS', [1, tokens], [squares])));
  const cutoff = context.add(mean, context.scale(deviation));
  return elementwise('UNARY', elementwise('SUB', of, cutoff));
}
