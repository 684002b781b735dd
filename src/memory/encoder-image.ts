import type { EncoderModel } from '../contracts/model.ts';
import { decodesImagesAtOnce, tokenLimits } from '../layout/encoder-limits.ts';
import type { PictureSize } from './encoder-graph/scene.ts';

/** What a projector encodes at once: one picture, or equal tiles side by side. */
export type Pictures = {
  readonly size: PictureSize;
  readonly count: number;
  /** The cap on its tokens that `size` stands for; absent where images have one size. */
  readonly tokens?: number;
};

/** Mel frames of 30 s of audio, for which llama.cpp reserves memory. */
const WARM_UP_FRAMES = 3000;
/** `--mtmd-batch-max-tokens`: equal tiles are encoded together up to so many tokens. */
const BATCH_TOKENS = 1024;
/** Projectors whose graph takes several tiles (`support_batch`) and whose tiles are all equal. */
const BATCHED: readonly string[] = ['internvl'];

/** DeepSeek-OCR's page, and its tiles: side and most of them in one batch, rows of tiles included. */
const DEEPSEEK_PAGE = 1024;
const DEEPSEEK_TILES: ReadonlyMap<string, { readonly side: number; readonly most: number }> =
  new Map([
    ['deepseekocr', { side: 640, most: 9 }],
    ['deepseekocr2', { side: 768, most: 6 }],
  ]);
/** Tiles of Granite 4 Vision, overview included, which go through its tower together. */
const GRANITE4_TILES = 11;

/** The picture for which llama.cpp reserves memory at load. */
export function warmUpPicture(encoder: EncoderModel): PictureSize {
  if (encoder.melBins !== undefined) return { width: WARM_UP_FRAMES, height: encoder.melBins };
  if (DEEPSEEK_TILES.has(encoder.projectorType)) return square(DEEPSEEK_PAGE);
  const limits = tokenLimits(encoder);
  if (limits === null) return square(encoder.imageSize);
  return square(limits.warmUpSide * encoder.patchSize * encoder.merge);
}

/** The picture that needs most of all that `imageMaxTokens` (null: the model's own cap) allows. */
export function largestPictures(encoder: EncoderModel, imageMaxTokens: number | null): Pictures {
  const limits = tokenLimits(encoder);
  if (limits !== null && encoder.projectorType !== 'lfm2') {
    const cap = limits.fixed === true ? null : imageMaxTokens;
    const tokens = cap ?? Math.floor(limits.most);
    return { size: pictureOf(encoder, tokens), count: 1, tokens };
  }
  const { projectorType } = encoder;
  const tiles = DEEPSEEK_TILES.get(projectorType);
  if (tiles !== undefined) {
    return { size: { width: tiles.side, height: tiles.most * tiles.side }, count: 1 };
  }
  const slices: Readonly<Record<string, PictureSize>> = {
    resampler: largestSlice(encoder),
    minicpmv4_6: largestAlignedSlice(encoder),
  };
  const size = slices[projectorType] ?? warmUpPicture(encoder);
  return { size, count: tilesAtOnce(encoder) };
}

/** A rectangle is looked for down to this share of the square's side. */
const SLIMMEST = 2;

/** The cap on one image's tokens where the micro-batch caps it too; null: the model's own. */
export function effectiveCap(
  encoder: EncoderModel,
  imageMaxTokens: number | null,
  ubatch: number | null,
): number | null {
  const atOnce = imageTokensAtOnce(encoder, imageMaxTokens);
  return atOnce === null || ubatch === null ? imageMaxTokens : Math.min(atOnce, ubatch);
}

/** A picture of `tokens` tokens, or a few more where they make no rectangle, as square as may be. */
function pictureOf({ patchSize, merge }: EncoderModel, tokens: number): PictureSize {
  const cell = patchSize * merge;
  const square = Math.max(1, Math.floor(Math.sqrt(tokens)));
  let columns = square;
  while (tokens % columns !== 0 && columns > square / SLIMMEST) columns--;
  if (tokens % columns !== 0) columns = square;
  return { width: columns * cell, height: Math.ceil(tokens / columns) * cell };
}

/**
 * MiniCPM-V's slices have the area of its square and sides rounded to whole patches: 31 x 34 is the most
 * that comes of 32 x 32.
 */
function largestSlice({ patchSize, imageSize }: EncoderModel): PictureSize {
  const side = Math.floor(imageSize / patchSize);
  return { width: (side - 1) * patchSize, height: (side + 2) * patchSize };
}

/** MiniCPM-V 4.6's sides are whole multiples of four patches: 8 x 9 of them is the most of 8 x 8. */
function largestAlignedSlice({ patchSize, imageSize }: EncoderModel): PictureSize {
  const step = 4 * patchSize;
  return { width: imageSize + step, height: imageSize };
}

function tilesAtOnce({ projectorType, imageSize, patchSize, merge }: EncoderModel): number {
  if (projectorType === 'granite4_vision') return GRANITE4_TILES;
  if (!BATCHED.includes(projectorType)) return 1;
  const tokens = Math.floor(imageSize / patchSize / merge) ** 2;
  return Math.max(1, Math.floor(BATCH_TOKENS / tokens));
}

function square(side: number): PictureSize {
  return { width: side, height: side };
}

/**
 * Tokens that one micro-batch (`--ubatch-size`) must hold, because the model decodes an image at once
 * (`mtmd_decode_use_non_causal`); null where images are decoded like text. With less, llama-server caps
 * the image of Gemma 4 and ends on the first image of Gemma 3.
 */
export function imageTokensAtOnce(
  encoder: EncoderModel,
  imageMaxTokens: number | null,
): number | null {
  if (!decodesImagesAtOnce(encoder)) return null;
  const { projectorType, imageSize, patchSize, merge } = encoder;
  if (projectorType === 'gemma3') return Math.floor(imageSize / patchSize / merge) ** 2;
  return imageMaxTokens ?? tokenLimits(encoder)?.most ?? null;
}
