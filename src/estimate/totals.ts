import type { Confidence } from '../contracts/basis.ts';
import type { EstimateInput, ModelEstimate } from '../contracts/estimate.ts';
import type { ApiPrice } from '../profiles/price-schema.ts';
import { promptTextTokens } from '../tokens/text/chat.ts';
import { sum } from '../units.ts';
import { costOf } from './cost.ts';
import type { CountedInput, CountedModel } from './count.ts';

export type TotalOptions = {
  readonly price: ApiPrice | null;
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
  const images = taken.filter(({ input }) => input.modality === 'image');
  const imageWrappers = sum(images.map(({ wrapper, input }) => wrapper * input.count));
  const image = totalTokens(images) - imageWrappers;
  const template = templateTokens(model, taken);
  const wrapper = imageWrappers + (template ?? 0);
  const total = text + image + wrapper;
  const confidence = confidenceOf(counted, taken, template !== null);
  const unknown = confidence === 'unknown';
  return {
    id: model.id,
    engine: model.engine,
    tokens: unknown
      ? { total: null, text: null, image: null, audio: null, video: null, wrapper: null }
      : { total, text, image, audio: 0, video: 0, wrapper },
    range: unknown ? null : rangeOf(taken, template ?? 0),
    uncounted: sum(
      counted.filter(({ refused }) => refused !== null).map(({ input }) => input.count),
    ),
    confidence,
    basis: model.description.basis,
    rule: ruleOf(model, counted),
    costUsd:
      options.price === null || unknown ? null : costOf(options.price, total, options.outputTokens),
    priceAsOf: options.price?.asOf ?? null,
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

/**
 * What the chat template and the cuts around images add to the texts counted one by one; null where
 * the model's tokenizer or template is not at hand, or not one that is followed here.
 */
function templateTokens(model: CountedModel, taken: readonly CountedInput[]): number | null {
  if (model.vocabulary === null) return null;
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
