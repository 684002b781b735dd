import type { EngineName } from '../contracts/basis.ts';
import type { EstimateInput, EstimateItem } from '../contracts/estimate.ts';
import type { ModelDescription } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import type { BoundTokenRule, ImageSize } from '../tokens/rules/define.ts';
import { findTokenRule } from '../tokens/rules/index.ts';
import type { TokenSettings } from '../tokens/settings.ts';
import type { Vocabulary } from '../tokens/text/vocabulary.ts';
import type { MediaOutcome } from './count-media.ts';
import { countFilm, countSound } from './count-media.ts';
import { pictureRefusal } from './formats.ts';
import type { TextCount } from './text.ts';
import { approximateText, definitionText, exactText, known } from './text.ts';
import { wrapperTokens } from './wrapper.ts';

/** A model on one engine, with what is known of its text side. */
export type CountedModel = {
  readonly id: string;
  readonly engine: EngineName;
  readonly description: ModelDescription;
  /** Its own tokenizer, where a GGUF file told it; null: text is approximated. */
  readonly vocabulary: Vocabulary | null;
  readonly chatTemplate: string | null;
  /** Its GGUF pair, where it was given as one. */
  readonly files?: { readonly model: string; readonly mmproj: string } | null;
};

/** What one input costs a model; `tokens` null when the engine does not take it. */
export type CountedInput = {
  readonly input: EstimateInput;
  readonly item: EstimateItem;
  /** Of `item.tokens`: what the engine puts around it. */
  readonly wrapper: number;
  readonly low: number;
  readonly high: number;
  readonly refused: string | null;
};

/** Counts inputs of one model, each size of image once. */
export type InputCounter = (input: EstimateInput) => CountedInput;

export function inputCounter(model: CountedModel, settings: TokenSettings): InputCounter {
  const countImage = imageCounter(model, settings);
  return (input) => {
    switch (input.modality) {
      case 'image':
        return countImage(input);
      case 'audio':
        return mediaInput(input, countSound(input, model));
      case 'video':
        return mediaInput(input, countFilm(input, model, settings));
      case 'text':
        return countText(input, model);
    }
  };
}

/** Counts inputs at hand for one model. */
export function countInputs(
  inputs: readonly EstimateInput[],
  model: CountedModel,
  settings: TokenSettings,
): readonly CountedInput[] {
  return inputs.map(inputCounter(model, settings));
}

function mediaInput(input: EstimateInput, outcome: MediaOutcome): CountedInput {
  if ('refused' in outcome) return refusedInput(input, 'none', outcome.refused);
  const { tokens, rule, detail, wrapper, low, high } = outcome;
  return { input, item: itemOf(input, tokens, rule, detail), wrapper, low, high, refused: null };
}

function countText(input: EstimateInput, model: CountedModel): CountedInput {
  const count = textCount(input, model);
  return {
    input,
    item: itemOf(input, count.tokens, count.rule, count.detail),
    wrapper: 0,
    low: count.low,
    high: count.high,
    refused: null,
  };
}

function textCount(input: EstimateInput, { id, vocabulary }: CountedModel): TextCount {
  if (input.textTokens !== null) return known(input.textTokens, 'given', '--text-tokens');
  const text = input.text ?? '';
  const count = vocabulary === null ? approximateText(text, id) : exactText(text, vocabulary);
  return input.definition === true ? definitionText(count) : count;
}

function imageCounter(model: CountedModel, settings: TokenSettings) {
  const use = model.description.imageTokens[model.engine];
  if (use === undefined) {
    const why = noRule(model);
    return (input: EstimateInput) => refusedInput(input, 'none', why);
  }
  const rule = boundRule(use.rule, use.params);
  const wrapper = wrapperTokens(model, use.wrapper);
  const sizes = new Map<string, ReturnType<typeof measure>>();
  const measured = (size: ImageSize, detail: TokenSettings['detail']) => {
    const key = `${size.width}x${size.height} ${detail}`;
    const before = sizes.get(key);
    if (before !== undefined) return before;
    // Millions of photos have few sizes; where they have not, they are counted again.
    if (sizes.size >= REMEMBERED_SIZES) sizes.clear();
    const made = measure(rule, size, { ...settings, detail });
    sizes.set(key, made);
    return made;
  };
  return (input: EstimateInput): CountedInput => {
    const refusal = pictureRefusal(model.engine, input, model.description.hosted);
    if (refusal !== null) return refusedInput(input, use.rule, refusal);
    const size = seenSize(input, model.engine);
    const count = measured(size, input.detail ?? settings.detail);
    if ('refused' in count) return refusedInput(input, use.rule, count.refused);
    const tokens = count.tokens + wrapper;
    const item = itemOf(input, tokens, use.rule, count.detail);
    const bound = (value: number | undefined) => (value ?? count.tokens) + wrapper;
    return { input, item, wrapper, low: bound(count.low), high: bound(count.high), refused: null };
  };
}

const REMEMBERED_SIZES = 100_000;

function noRule({ id, engine, description }: CountedModel): string {
  if (engine === 'api' && !description.modalities.includes('image')) return `${id} takes no images`;
  return description.encoder === null && engine !== 'api'
    ? `${id} takes no images: it has no projector`
    : `how ${engine} counts images for ${id} is not known here`;
}

function boundRule(id: string, params: unknown): BoundTokenRule {
  const rule = findTokenRule(id);
  if (rule === null) {
    throw new MmdeployError('profile.invalid', `there is no token rule \`${id}\``, {
      hints: ['`mmdeploy models` lists the profiles that can be counted'],
    });
  }
  return rule.bind(params);
}

/** A size the model's own processor refuses is an answer about that input, not a failure of the run. */
function measure(rule: BoundTokenRule, size: ImageSize, settings: TokenSettings) {
  try {
    return rule.count(size, settings);
  } catch (error) {
    if (error instanceof MmdeployError && error.code === 'input.invalid') {
      return { refused: error.message };
    }
    throw error;
  }
}

/** stb_image, which llama.cpp decodes with, ignores EXIF: it sees a turned picture on its side. */
function seenSize(input: EstimateInput, engine: EngineName): ImageSize {
  const size = { width: input.width ?? 0, height: input.height ?? 0 };
  return input.turned && engine === 'llama.cpp' ? { width: size.height, height: size.width } : size;
}

function itemOf(
  input: EstimateInput,
  tokens: number | null,
  rule: string,
  detail: string,
): EstimateItem {
  const { modality, width, height, seconds, count } = input;
  return { input: input.input, modality, width, height, seconds, count, tokens, rule, detail };
}

function refusedInput(input: EstimateInput, rule: string, why: string): CountedInput {
  const item = itemOf(input, null, rule, why);
  return { input, item, wrapper: 0, low: 0, high: 0, refused: why };
}
