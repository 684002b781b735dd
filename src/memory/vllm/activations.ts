import type { EncoderModel, TextModel } from '../../contracts/model.ts';
import type { PartBytes } from '../types.ts';
import type { VllmSettings } from './settings.ts';

const BF16 = 2;
const F32 = 4;

/**
 * Peak of the language model in vLLM's profile run of `--max-num-batched-tokens` tokens: both halves of
 * the feed-forward, q, k, v and two residual streams, then the logits of every sequence in F32. Assumed:
 * vLLM measures it at its start, and compilation frees some of it earlier.
 */
export function textActivations(text: TextModel, settings: VllmSettings): PartBytes {
  const { batchedTokens, slots, ranks } = settings;
  const width = Math.ceil((2 * text.feedForward) / ranks);
  const layer = batchedTokens * BF16 * (width + 4 * text.embedding);
  const logits = slots * text.vocabulary * F32;
  return {
    bytes: layer + logits,
    formula:
      `${batchedTokens} tokens x 2 B x (${width} + 4 x ${text.embedding}) + ` +
      `${slots} x ${text.vocabulary} logits x 4 B`,
  };
}

/** Tokens of the encoder cache: one step's, or the largest image's (`compute_mm_encoder_budget`). */
function encoderCacheTokens({ batchedTokens, largestImage }: VllmSettings): number {
  return Math.max(batchedTokens, largestImage);
}

/**
 * Peak of the tower in the profile run, which encodes as many of the largest images as the encoder cache
 * holds, and that cache itself, which vLLM keeps during the rest of the run. A tower that is split by
 * images still has one whole image on each GPU. Assumed, like the language model's.
 */
export function encoderActivations(
  encoder: EncoderModel,
  text: TextModel,
  settings: VllmSettings,
): PartBytes {
  const tokens = encoderCacheTokens(settings);
  const features = tokens * text.embedding * BF16 * (1 + deepFeatures(text));
  const cache = `${tokens} tokens x ${text.embedding} x 2 B of encoder cache`;
  const patches = positionsOf(encoder, tokens, settings.largestImage);
  if (patches === 0) return { bytes: features, formula: cache };
  const width = Math.ceil((3 * encoder.feedForward) / (settings.encoderSplit ? settings.ranks : 1));
  return {
    bytes: features + patches * BF16 * (width + 4 * encoder.embedding),
    formula: `${patches} positions x 2 B x (${width} + 4 x ${encoder.embedding}) + ${cache}`,
  };
}

/** Qwen3-VL hands the language model features of some blocks beside those of the last. */
function deepFeatures({ hyper }: TextModel): number {
  const layers = hyper['n_deepstack_layers'];
  return typeof layers === 'number' ? layers : 0;
}

/** Steps of Whisper's encoder: 30 s, which a tower for audio takes at once. */
const WHISPER_POSITIONS = 1500;

/** Positions that the tower encodes at once: of as many images as the cache holds, or of one clip. */
function positionsOf(encoder: EncoderModel, cache: number, largestImage: number): number {
  if (encoder.melBins !== undefined) return WHISPER_POSITIONS;
  if (largestImage === 0) return 0;
  const images = Math.max(1, Math.floor(cache / largestImage));
  return images * patchesOf(encoder, largestImage);
}

/** Patches that become this many tokens; whole tiles where a resampler or a pool makes the tokens. */
function patchesOf({ queries, merge, patchSize, imageSize }: EncoderModel, tokens: number) {
  const tile = patchSize === 0 ? 0 : Math.floor(imageSize / patchSize) ** 2;
  if (queries !== undefined && queries > 0) return Math.ceil(tokens / queries) * tile;
  return Math.max(tile, tokens * merge * merge);
}
