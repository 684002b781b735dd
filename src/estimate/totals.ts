import type { Confidence, Modality } from '../contracts/basis.ts';
import { CONFIDENCES } from '../contracts/basis.ts';
import type { EstimateInput, ModelEstimate } from '../contracts/estimate.ts';
import { promptTextTokens } from '../tokens/text/chat.ts';
import { sum } from '../units.ts';
import type { PriceInUse } from './cost.ts';
import { costOf, priceUsed } from './cost.ts';
import type { CountedInput, CountedModel } from './count.ts';

export type TotalOptions = {
  readonly price: PriceInUse | null;
  readonly outputTokens: number;
  /** Keep one row for each input. */
  readonly items: boolean;
};

/** One model's entry of the document: all inputs in one request. */
export function totalOf(
  model: CountedModel,
  counted: readonly CountedInput[],
  options: TotalOptions,
): ModelEstimate {
  const taken = counted.filter(({ refused }) => refused === null);
  const text = totalTokens(taken.filter(({ input }) => input.modality === 'text'));
  const media = taken.filter(({ input }) => input.modality !== 'text');
  const of = (modality: Modality) => bareTokens(media, modality);
  const [image, audio, video] = [of('image'), of('audio'), of('video')];
  const template = templateTokens(model, taken);
  const wrapper = sum(media.map((each) => each.wrapper * each.input.count)) + (template ?? 0);
  const total = text + image + audio + video + wrapper;
  const confidence = worse(
    confidenceOf(counted, taken, template !== null),
    statedConfidence(model, taken),
  );
  const unknown = confidence === 'unknown';
  const images = counted.some(({ input }) => input.modality === 'image');
  return {
    id: model.id,
    engine: model.engine,
    tokens: unknown
      ? { total: null, text: null, image: null, audio: null, video: null, wrapper: null }
      : { total, text, image, audio, video, wrapper },
    range: unknown ? null : rangeOf(taken, template ?? 0),
    uncounted: sum(
      counted.filter(({ refused }) => refused !== null).map(({ input }) => input.count),
    ),
    confidence,
    basis: model.description.basis,
    rule: ruleOf(model, counted),
    ruleSource: images ? (model.description.imageTokens[model.engine]?.source ?? null) : null,
    costUsd:
      options.price === null || unknown
        ? null
        : costOf(options.price, {
            input: total,
            audio,
            image,
            video,
            output: options.outputTokens,
          }),
    priceAsOf: options.price?.asOf ?? null,
    price: options.price === null ? null : priceUsed(options.price),
    costliest: costliestOf(taken),
    items: options.items ? counted.map(({ item }) => item) : [],
  };
}

const COSTLIEST = 5;

/** Equal ones stay in the order in which they were given. */
function costliestOf(taken: readonly CountedInput[]) {
  const cost = ({ item }: CountedInput) => (item.tokens ?? 0) * item.count;
  return [...taken]
    .sort((a, b) => cost(b) - cost(a))
    .slice(0, COSTLIEST)
    .map(({ item }) => item);
}

function totalTokens(counted: readonly CountedInput[]): number {
  return sum(counted.map(({ item, input }) => (item.tokens ?? 0) * input.count));
}

/** Tokens of one modality without what the engine puts around them. */
function bareTokens(counted: readonly CountedInput[], modality: Modality): number {
  const chosen = counted.filter(({ input }) => input.modality === modality);
  return totalTokens(chosen) - sum(chosen.map(({ wrapper, input }) => wrapper * input.count));
}

function rangeOf(taken: readonly CountedInput[], template: number) {
  return {
    low: template + sum(taken.map(({ low, input }) => low * input.count)),
    high: template + sum(taken.map(({ high, input }) => high * input.count)),
  };
}

function ruleOf(model: CountedModel, counted: readonly CountedInput[]): string {
  const rules = new Set(counted.map(({ item }) => item.rule));
  const image = model.description.imageTokens[model.engine]?.rule;
  if (image !== undefined && rules.has(image)) return image;
  return [...rules].join(', ') || 'none';
}

function confidenceOf(
  counted: readonly CountedInput[],
  taken: readonly CountedInput[],
  promptKnown: boolean,
): Confidence {
  if (counted.length > 0 && taken.length === 0) return 'unknown';
  if (taken.some(({ low, high }) => low !== high)) return 'range';
  return promptKnown ? 'exact' : 'formula';
}

/** What the profile says of the image rule, where an image was counted by it. */
function statedConfidence(model: CountedModel, taken: readonly CountedInput[]): Confidence {
  const stated = model.description.imageTokens[model.engine]?.confidence;
  const used = taken.some(({ input }) => input.modality === 'image');
  return used && stated !== undefined ? stated : 'exact';
}

function worse(one: Confidence, other: Confidence): Confidence {
  return CONFIDENCES.indexOf(one) > CONFIDENCES.indexOf(other) ? one : other;
}

/**
 * What the chat template and the cuts around images add to the texts counted one by one; null where
 * the model's tokenizer or template is not at hand, or not one that is followed here.
 */
function templateTokens(model: CountedModel, taken: readonly CountedInput[]): number | null {
  if (model.vocabulary === null) return null;
  const heard = taken.some(({ input }) => ['audio', 'video'].includes(input.modality));
  if (heard) return null;
  const written = taken.filter(({ input }) => input.modality === 'image' || input.text !== null);
  const content = written.flatMap(({ input }, index) =>
    input.modality === 'image' && written[index - 1]?.input.modality === 'image'
      ? []
      : [partOf(input)],
  );
  const message = { role: 'user', content };
  const prompt = promptTextTokens([message], model.chatTemplate, model.vocabulary);
  if (prompt.kind !== 'exact') return null;
  const texts = written.filter(({ input }) => input.modality === 'text');
  return prompt.tokens - totalTokens(texts);
}

/** Images that follow one another have no text between them: one stands for all of them. */
function partOf(input: EstimateInput) {
  return input.modality === 'image'
    ? { type: 'image_url' }
    : { type: 'text', text: input.text ?? '' };
}
