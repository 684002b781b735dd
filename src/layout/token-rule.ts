import type { EncoderModel, TokenRuleUse } from '../contracts/model.ts';
import { numberArray, optionalNumber } from './header-view.ts';
import type { HeaderView } from './header-view.ts';

type Rule = Pick<TokenRuleUse, 'rule' | 'params' | 'wrapper'>;
type RuleOf = (encoder: EncoderModel, header: HeaderView) => Rule;

const NO_WRAPPER = { begin: '', end: '', tokens: 0 } as const;

/** `set_limit_image_tokens` of each family in `clip.cpp`. */
const QWEN_LIMITS = { least: 8, most: 4096 } as const;
const PIXTRAL_LIMITS = { least: 8, most: 1024 } as const;

/** How llama.cpp counts the images of a projector, by `clip.projector_type`. */
const RULES: ReadonlyMap<string, RuleOf> = new Map<string, RuleOf>([
  ['mlp', llava],
  ['gemma3', gemma3],
  ['pixtral', pixtral],
  ['qwen2vl_merger', qwen],
  ['qwen2.5vl_merger', qwen],
  ['qwen3vl_merger', qwen],
  ['internvl', internvl],
]);

/**
 * How llama.cpp counts an image for a projector file; null where its rule is not known here. The
 * wrapper's token count is that of the published vocabulary: with another one tokenise its strings.
 */
export function imageRuleOf(encoder: EncoderModel, header: HeaderView): TokenRuleUse | null {
  const rule = RULES.get(encoder.projectorType)?.(encoder, header);
  if (rule === undefined) return null;
  return { ...rule, source: `${encoder.projectorType} projector of ${header.path}` };
}

/** One square, or for LLaVA-1.6 an overview and tiles in one of the grids that the file lists. */
function llava({ imageSize, patchSize, merge }: EncoderModel, header: HeaderView): Rule {
  const square = { imageSize, patchSize, merge };
  const pins = numberArray(header, 'clip.vision.image_grid_pinpoints') ?? [];
  if (pins.length === 0) return { rule: 'fixed-grid', params: square, wrapper: NO_WRAPPER };
  const grids = Array.from({ length: Math.floor(pins.length / 2) }, (_, index) => ({
    columns: Math.floor((pins[2 * index] ?? 0) / imageSize),
    rows: Math.floor((pins[2 * index + 1] ?? 0) / imageSize),
  }));
  return { rule: 'llava-uhd', params: { ...square, grids }, wrapper: NO_WRAPPER };
}

function gemma3({ imageSize, patchSize, merge }: EncoderModel): Rule {
  return {
    rule: 'fixed-grid',
    params: { imageSize, patchSize, merge },
    wrapper: { begin: '<start_of_image>', end: '<end_of_image>', tokens: 2 },
  };
}

function pixtral(encoder: EncoderModel): Rule {
  return {
    rule: 'smart-resize',
    params: { ...resizeParams(encoder, PIXTRAL_LIMITS), rowBreaks: true },
    wrapper: { begin: '', end: '[IMG_END]', tokens: 1 },
  };
}

function qwen(encoder: EncoderModel): Rule {
  return {
    rule: 'smart-resize',
    params: resizeParams(encoder, QWEN_LIMITS),
    wrapper: { begin: '<|vision_start|>', end: '<|vision_end|>', tokens: 2 },
  };
}

function resizeParams(
  { patchSize, merge }: EncoderModel,
  { least, most }: { readonly least: number; readonly most: number },
) {
  const factor = patchSize * merge;
  const cell = factor * factor;
  return {
    factor,
    minPixels: least * cell,
    maxPixels: most * cell,
    arithmetic: 'c-float32',
  } as const;
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
    wrapper: { begin: '<img>', end: '</img>', tokens: 2 },
  };
}
