import type { TextModel } from '../contracts/model.ts';
import { hyperNumber, hyperOfLayer } from './hyper.ts';

/** What the layers of a model follow from. */
export type LayeredModel = Pick<
  TextModel,
  'arch' | 'layers' | 'hyper' | 'keyLength' | 'valueLength' | 'kvHeads' | 'embedding'
>;

/** Period of the pattern where a header does not say: every n-th layer sees the whole context. */
const WINDOW_PERIODS: Readonly<Record<string, number>> = {
  gemma2: 2,
  gemma3: 6,
  gemma3n: 5,
  llama4: 4,
  'gpt-oss': 2,
  cohere2: 4,
};
/** Llama 4 attends within chunks of this many tokens; no key says so. */
const LLAMA4_CHUNK = 8192;
/** Layers of Gemma 3n that own a cache; the ones after them read it. */
const GEMMA3N_CACHING_LAYERS = 20;

/** Cells that a sliding (or chunked) layer looks back; 0 where the model has no such layer. */
export function windowSize(model: LayeredModel): number {
  const size = hyperNumber(model, 'attention.sliding_window');
  if (model.arch === 'llama4') return size === 0 ? 0 : LLAMA4_CHUNK;
  return windowPattern(model) === null ? 0 : (size ?? 0);
}

/** Whether `layer` sees only the window. */
export function isSliding(model: LayeredModel, layer: number): boolean {
  if (windowSize(model) === 0) return false;
  const pattern = windowPattern(model);
  if (pattern === null) return false;
  if (typeof pattern === 'number') return pattern !== 0 && layer % pattern < pattern - 1;
  return Boolean(pattern[layer % pattern.length]);
}

function windowPattern(model: LayeredModel): number | readonly (boolean | number)[] | null {
  const given = model.hyper['attention.sliding_window_pattern'];
  if (typeof given === 'number') return given;
  if (typeof given === 'object') return given;
  return WINDOW_PERIODS[model.arch] ?? null;
}

/** Length of K and of V of one head; sliding layers of Gemma 4 have shorter ones. */
export function headLengths(model: LayeredModel, layer: number): { key: number; value: number } {
  const sliding = isSliding(model, layer);
  const swa = (name: string) =>
    sliding ? hyperNumber(model, `attention.${name}_length_swa`) : undefined;
  return { key: swa('key') ?? model.keyLength, value: swa('value') ?? model.valueLength };
}

/** Whether K alone is cached, in its compressed form (multi-head latent attention). */
export function hasLatentCache(model: LayeredModel): boolean {
  return (hyperNumber(model, 'attention.key_length_mla') ?? 0) > 0;
}

/** First layer that reads the cache of an earlier one instead of its own; `layers` where none does. */
export function cachingLayers(model: LayeredModel): number {
  if (model.arch === 'gemma3n') return GEMMA3N_CACHING_LAYERS;
  return (
    model.layers - (hyperNumber(model, 'attention.shared_kv_layers') ?? 0) - predictionLayers(model)
  );
}

/** Layers at the end that predict further tokens and are not run in normal decoding. */
export function predictionLayers(model: LayeredModel): number {
  return hyperNumber(model, 'nextn_predict_layers') ?? 0;
}

/** Elements of state that a recurrent layer keeps for each slot, in F32; null for an attention layer. */
export function recurrentState(
  model: LayeredModel,
  layer: number,
): { convolution: number; state: number } | null {
  const number = (key: string) => hyperNumber(model, key) ?? 0;
  const interval = number('full_attention_interval');
  if (interval > 0) {
    if ((layer + 1) % interval === 0 || layer >= model.layers - predictionLayers(model))
      return null;
    const inner = number('ssm.inner_size');
    const stateSize = number('ssm.state_size');
    return {
      convolution:
        (number('ssm.conv_kernel') - 1) * (inner + 2 * number('ssm.group_count') * stateSize),
      state: stateSize * inner,
    };
  }
  const cache = number('shortconv.l_cache');
  if (cache > 0 && model.kvHeads[layer] === 0) {
    return { convolution: model.embedding * (cache - 1), state: 0 };
  }
  return null;
}

/** Width of the feed-forward matrices of one layer. */
export function feedForwardOf(
  model: Pick<TextModel, 'hyper' | 'feedForward'>,
  layer: number,
): number {
  const value = hyperOfLayer(model, 'feed_forward_length', layer);
  return typeof value === 'number' ? value : model.feedForward;
}

/** Whether the feed-forward of `layer` is a mixture of experts. */
export function hasExperts(model: Pick<TextModel, 'hyper' | 'arch'>, layer: number): boolean {
  const number = (key: string) => hyperNumber(model, key);
  if ((number('expert_count') ?? 0) === 0) return false;
  const step = number('interleave_moe_layer_step');
  // Llama 4 is told by the step alone, ERNIE 4.5 by both.
  const leading = model.arch === 'llama4' ? 0 : (number('leading_dense_block_count') ?? 0);
  if (layer < leading) return false;
  return step === undefined || (step > 0 && (layer + 1) % step === 0);
}
