import type { EncoderModel, TokenRuleUse } from '../contracts/model.ts';
import { decodesImagesAtOnce, tokenLimits } from './encoder-limits.ts';
import { optionalNumber } from './header-view.ts';
import type { HeaderView } from './header-view.ts';
import { checkPictureSize } from './plausible.ts';
import { IMAGE_START, NO_WRAPPER, around, fixedGrid } from './rule-of.ts';
import type { Rule, RuleOf } from './rule-of.ts';
import {
  deepseekOcr,
  deepseekOcr2,
  granite4,
  idefics3,
  internvl,
  lfm2,
  llama4,
  llava,
  minicpmv,
  minicpmv46,
  step3,
} from './token-rule-tiles.ts';

const VISION_START = around('<|vision_start|>', '<|vision_end|>');
const START_OF_IMAGE = around('<start_of_image>', '<end_of_image>');

/** How llama.cpp counts the images of a projector, by `clip.projector_type` (llama.cpp b11118, mtmd.cpp). */
const RULES: ReadonlyMap<string, RuleOf> = new Map<string, RuleOf>([
  ['adapter', (encoder) => withEnds(encoder, 2)],
  ['cogvlm', (encoder) => withEnds(encoder, 1)],
  ['deepseekocr', deepseekOcr],
  ['deepseekocr2', deepseekOcr2],
  ['deepseek4v', deepseek4],
  ['dots3note_v', (encoder) => sized(encoder, around('<|img|>', '<|endofimg|>'))],
  ['dots_ocr', (encoder) => sized(encoder, around('<|img|>', '<|endofimg|>'))],
  ['exaone4_5', (encoder) => sized(encoder, around('<vision>', '</vision>'))],
  ['gemma3', (encoder) => fixedGrid(encoder, START_OF_IMAGE)],
  ['gemma3nv', gemma3n],
  ['gemma4uv', gemma4],
  ['gemma4v', gemma4],
  ['glm4v', (encoder) => sized(encoder, around('<|begin_of_image|>', '<|end_of_image|>'))],
  ['granite4_vision', granite4],
  ['hunyuanvl', hunyuan],
  ['idefics3', idefics3],
  ['internvl', internvl],
  ['janus_pro', (encoder) => fixedGrid(encoder, NO_WRAPPER)],
  ['kimik25', (encoder) => sized(encoder, around('<|media_begin|>', '<|media_end|>'))],
  ['kimivl', (encoder) => sized(encoder, around('<|media_start|>', '<|media_end|>'))],
  ['ldp', (encoder) => fixedGrid({ ...encoder, merge: 2 }, NO_WRAPPER)],
  ['ldpv2', (encoder) => fixedGrid({ ...encoder, merge: 2 }, NO_WRAPPER)],
  ['lfm2', lfm2],
  ['lightonocr', lightOn],
  ['llama4', llama4],
  ['mimovl', qwen],
  ['minimax_m3', (encoder) => sized(encoder, around(']<]start of image[>[', ']<]end of image[>['))],
  ['minicpmv4_6', minicpmv46],
  ['mlp', llava],
  ['muse-glimmer', muse],
  ['paddleocr', (encoder) => sized(encoder, around('<|IMAGE_START|>', '<|IMAGE_END|>'))],
  ['phi4', (encoder) => sized(encoder, NO_WRAPPER)],
  ['nemotron_v2_vl', (encoder) => fixedGrid(encoder, NO_WRAPPER)],
  ['pixtral', (encoder) => sized(encoder, around('', '[IMG_END]'), { rowBreaks: true })],
  ['qwen2.5vl_merger', qwen],
  ['qwen2vl_merger', qwen],
  ['qwen3vl_merger', qwen],
  ['resampler', minicpmv],
  ['step3vl', step3],
  ['yasa2', ({ imageSize }) => fixed(64, imageSize, around('<image>', '</image>'))],
  ['youtuvl', youtu],
]);

/** Every projector whose images are counted by the keys of its file. */
export function imageProjectors(): readonly string[] {
  return [...RULES.keys()].sort();
}

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

/** One square, and the projector's own start and end. */
function withEnds({ imageSize, patchSize }: EncoderModel, merge: number): Rule {
  const params = { imageSize, patchSize, merge, extra: 2 };
  return { rule: 'fixed-grid', params, wrapper: NO_WRAPPER };
}

/** MobileNet ends in 16 x 16 whatever the picture. */
function gemma3n({ imageSize }: EncoderModel): Rule {
  return fixed(256, imageSize, START_OF_IMAGE);
}

function fixed(tokens: number, imageSize: number, wrapper: Rule['wrapper']): Rule {
  return { rule: 'fixed', params: { tokens, imageSize }, wrapper };
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
  return sized(encoder, VISION_START);
}

/** The picture's own aspect ratio, between the family's limits. */
function sized(
  encoder: EncoderModel,
  wrapper: Rule['wrapper'],
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

/** The longest edge is as the file says, the number of tokens without limits of its own. */
function lightOn({ imageSize, patchSize, merge }: EncoderModel, header: HeaderView): Rule {
  return {
    rule: 'smart-resize',
    params: {
      factor: patchSize * merge,
      minPixels: 0,
      maxPixels: 0,
      longestEdge: optionalNumber(header, 'clip.vision.preproc_image_size') ?? imageSize,
      arithmetic: 'c-float32',
      rowBreaks: header.tensors.some(({ name }) => name === 'v.token_embd.img_break'),
    },
    wrapper: around('<|im_start|>', '<|im_end|>'),
  };
}

function youtu(encoder: EncoderModel): Rule | null {
  const { patchSize, merge } = encoder;
  const maxTokens = tokenLimits(encoder)?.most;
  if (maxTokens === undefined) return null;
  const params = { factor: patchSize * merge, merge, maxTokens };
  return { rule: 'scale-steps', params, wrapper: VISION_START };
}

function muse(encoder: EncoderModel): Rule | null {
  const maxTokens = tokenLimits(encoder)?.most;
  if (maxTokens === undefined) return null;
  const params = { factor: encoder.patchSize * encoder.merge, maxTokens };
  return { rule: 'nearest-cells', params, wrapper: IMAGE_START };
}

function deepseek4({ patchSize, merge }: EncoderModel, header: HeaderView): Rule | null {
  const minPixels = optionalNumber(header, 'clip.vision.image_min_pixels');
  if (minPixels === undefined) return null;
  return { rule: 'aligned-block', params: { patchSize, merge, minPixels }, wrapper: NO_WRAPPER };
}
