import type { EncoderModel, TokenRuleUse } from '../contracts/model.ts';
import { decodesImagesAtOnce, tokenLimits } from './encoder-limits.ts';
import { numberArray, optionalNumber } from './header-view.ts';
import type { HeaderView } from './header-view.ts';
import { checkPictureSize } from './plausible.ts';

type Rule = Pick<TokenRuleUse, 'rule' | 'params' | 'wrapper'>;
type RuleOf = (encoder: EncoderModel, header: HeaderView) => Rule | null;
type Wrapper = TokenRuleUse['wrapper'];

const around = (begin: string, end: string): Wrapper => ({
  begin,
  end,
  tokens: (begin === '' ? 0 : 1) + (end === '' ? 0 : 1),
});
const NO_WRAPPER = around('', '');
const START_OF_IMAGE = around('<start_of_image>', '<end_of_image>');
const IMAGE_START = around('<|image_start|>', '<|image_end|>');

/** How llama.cpp counts the images of a projector, by `clip.projector_type` (llama.cpp b11118, mtmd.cpp). */
const RULES: ReadonlyMap<string, RuleOf> = new Map<string, RuleOf>([
  ['adapter', (encoder) => withEnds(encoder, 2)],
  ['cogvlm', (encoder) => withEnds(encoder, 1)],
  ['deepseekocr', deepseekOcr],
  ['deepseekocr2', deepseekOcr2],
  ['dots_ocr', (encoder) => sized(encoder, around('<|img|>', '<|endofimg|>'))],
  ['gemma3', (encoder) => fixedGrid(encoder, START_OF_IMAGE)],
  ['gemma3nv', gemma3n],
  ['gemma4uv', gemma4],
  ['gemma4v', gemma4],
  ['glm4v', (encoder) => sized(encoder, around('<|begin_of_image|>', '<|end_of_image|>'))],
  ['hunyuanvl', hunyuan],
  ['idefics3', idefics3],
  ['internvl', internvl],
  ['janus_pro', (encoder) => fixedGrid(encoder, NO_WRAPPER)],
  ['kimik25', (encoder) => sized(encoder, around('<|media_begin|>', '<|media_end|>'))],
  ['kimivl', (encoder) => sized(encoder, around('<|media_start|>', '<|media_end|>'))],
  ['ldp', (encoder) => fixedGrid({ ...encoder, merge: 2 }, NO_WRAPPER)],
  ['ldpv2', (encoder) => fixedGrid({ ...encoder, merge: 2 }, NO_WRAPPER)],
  ['lfm2', lfm2],
  ['llama4', llama4],
  ['minicpmv4_6', minicpmv46],
  ['mlp', llava],
  ['paddleocr', (encoder) => sized(encoder, around('<|IMAGE_START|>', '<|IMAGE_END|>'))],
  ['phi4', (encoder) => sized(encoder, NO_WRAPPER)],
  ['nemotron_v2_vl', (encoder) => fixedGrid(encoder, NO_WRAPPER)],
  ['pixtral', (encoder) => sized(encoder, around('', '[IMG_END]'), { rowBreaks: true })],
  ['qwen2.5vl_merger', qwen],
  ['qwen2vl_merger', qwen],
  ['qwen3vl_merger', qwen],
  ['resampler', minicpmv],
]);

/**
 * How llama.cpp counts an image for a projector file; null where its rule is not known here. The
 * wrapper's token count is that of the published vocabulary: with another one tokenise its strings.
 */
export function imageRuleOf(encoder: EncoderModel, header: HeaderView): TokenRuleUse | null {
  const rule = RULES.get(encoder.projectorType)?.(encoder, header) ?? null;
  if (rule === null) return null;
  checkPictureSize(header, rule.params);
  return { ...rule, source: `${encoder.projectorType} projector of ${header.path}` };
}

function fixedGrid({ imageSize, patchSize, merge }: EncoderModel, wrapper: Wrapper): Rule {
  return { rule: 'fixed-grid', params: { imageSize, patchSize, merge }, wrapper };
}

/** One square, and the projector's own start and end. */
function withEnds({ imageSize, patchSize }: EncoderModel, merge: number): Rule {
  const params = { imageSize, patchSize, merge, extra: 2 };
  return { rule: 'fixed-grid', params, wrapper: NO_WRAPPER };
}

/** One square, or for LLaVA-1.6 an overview and tiles in one of the grids that the file lists. */
function llava(encoder: EncoderModel, header: HeaderView): Rule {
  const { imageSize, patchSize, merge } = encoder;
  const pins = numberArray(header, 'clip.vision.image_grid_pinpoints') ?? [];
  if (pins.length === 0) return fixedGrid(encoder, NO_WRAPPER);
  const grids = Array.from({ length: Math.floor(pins.length / 2) }, (_, index) => ({
    columns: Math.floor((pins[2 * index] ?? 0) / imageSize),
    rows: Math.floor((pins[2 * index + 1] ?? 0) / imageSize),
  }));
  return { rule: 'llava-uhd', params: { imageSize, patchSize, merge, grids }, wrapper: NO_WRAPPER };
}

/** Grids of at most 3 x 3 tiles, a single one left out (`set_llava_uhd_res_candidates`). */
function llama4({ imageSize, patchSize, merge }: EncoderModel): Rule {
  const sides = [1, 2, 3];
  const grids = sides
    .flatMap((columns) => sides.map((rows) => ({ columns, rows })))
    .filter(({ columns, rows }) => columns * rows > 1);
  return {
    rule: 'llava-uhd',
    params: { imageSize, patchSize, merge, grids },
    wrapper: IMAGE_START,
  };
}

/** MobileNet ends in 16 x 16 whatever the picture. */
function gemma3n({ imageSize }: EncoderModel): Rule {
  return { rule: 'fixed', params: { tokens: 256, imageSize }, wrapper: START_OF_IMAGE };
}

function gemma4(encoder: EncoderModel): Rule | null {
  const wrapper = around('<|image>', '<image|>');
  return sized(encoder, wrapper, { ubatchCaps: decodesImagesAtOnce(encoder) });
}

/** A newline after each row, and the projector's own start and end within the strings around it. */
function hunyuan(encoder: EncoderModel): Rule | null {
  const wrapper = around('<｜hy_place▁holder▁no▁100｜>', '<｜hy_place▁holder▁no▁101｜>');
  return sized(encoder, wrapper, { rowBreaks: true, extra: 3 });
}

function qwen(encoder: EncoderModel): Rule | null {
  return sized(encoder, around('<|vision_start|>', '<|vision_end|>'));
}

/** The picture's own aspect ratio, between the family's limits. */
function sized(
  encoder: EncoderModel,
  wrapper: Wrapper,
  more: Readonly<Record<string, boolean | number>> = {},
): Rule | null {
  const { patchSize, merge } = encoder;
  const limits = tokenLimits(encoder);
  if (limits === null) return null;
  const factor = patchSize * merge;
  const cell = factor * factor;
  return {
    rule: 'smart-resize',
    params: {
      factor,
      minPixels: limits.least * cell,
      maxPixels: limits.most * cell,
      arithmetic: 'c-float32',
      ...(limits.fixed === true && { ownLimits: true }),
      ...more,
    },
    wrapper,
  };
}

function internvl({ imageSize, patchSize, merge }: EncoderModel, header: HeaderView): Rule {
  return {
    rule: 'internvl-effective',
    params: {
      imageSize,
      patchSize,
      merge,
      minTiles: optionalNumber(header, 'clip.vision.preproc_min_tiles') ?? 1,
      maxTiles: optionalNumber(header, 'clip.vision.preproc_max_tiles') ?? 12,
    },
    wrapper: around('<img>', '</img>'),
  };
}

/** Version 2 (MiniCPM-V 2.5) wraps its slices once more; 3 and later agree. */
function minicpmv({ imageSize, queries }: EncoderModel, header: HeaderView): Rule | null {
  if (optionalNumber(header, 'clip.minicpmv_version') === 2) return null;
  return {
    rule: 'minicpm',
    params: { sliceSize: imageSize, queries: queries ?? 64 },
    wrapper: around('<image>', '</image>'),
  };
}

/** Sides are whole squares of 4 x 4 patches, however many of them become one token. */
const MINICPM_STEP = 4;

function minicpmv46({ imageSize, patchSize, merge }: EncoderModel): Rule {
  return {
    rule: 'minicpm-cells',
    params: { sliceSize: imageSize, cell: patchSize * merge, step: patchSize * MINICPM_STEP },
    // The image's number: one digit up to the tenth image of a request.
    wrapper: { begin: '<image_id>0</image_id><image>', end: '</image>', tokens: 5 },
  };
}

function idefics3({ imageSize, patchSize, merge }: EncoderModel, header: HeaderView): Rule | null {
  const longestEdge = optionalNumber(header, 'clip.vision.preproc_image_size');
  if (longestEdge === undefined) return null;
  return {
    rule: 'idefics',
    params: { tileSize: imageSize, patchSize, merge, longestEdge },
    wrapper: NO_WRAPPER,
  };
}

function lfm2(encoder: EncoderModel): Rule | null {
  const { patchSize, merge } = encoder;
  const limits = tokenLimits(encoder);
  if (limits === null) return null;
  return {
    rule: 'lfm2',
    params: {
      factor: patchSize * merge,
      patchSize,
      minTokens: limits.least,
      maxTokens: limits.most,
      tileSize: 512,
      minTiles: 2,
      maxTiles: 10,
      tolerance: 2,
    },
    wrapper: IMAGE_START,
  };
}

function deepseekOcr(_: EncoderModel, header: HeaderView): Rule {
  const side = { globalSide: 16, tileSize: 640, tileSide: 10, newlines: true };
  return ocr(side, header, 9);
}

function deepseekOcr2(_: EncoderModel, header: HeaderView): Rule {
  const side = { globalSide: 16, tileSize: 768, tileSide: 12, newlines: false };
  return ocr(side, header, 6);
}

function ocr(side: Readonly<Record<string, unknown>>, header: HeaderView, most: number): Rule {
  return {
    rule: 'deepseek-ocr',
    params: {
      ...side,
      minTiles: optionalNumber(header, 'clip.vision.preproc_min_tiles') ?? 2,
      maxTiles: optionalNumber(header, 'clip.vision.preproc_max_tiles') ?? most,
    },
    wrapper: around('', '\n'),
  };
}
