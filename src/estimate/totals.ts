import type { Confidence } from '../contracts/basis.ts';
import { CONFIDENCES } from '../contracts/basis.ts';
import type { ModelEstimate } from '../contracts/estimate.ts';
import type { PriceInUse } from './cost.ts';
import { costOf, priceUsed } from './cost.ts';
import type { CountedInput, CountedModel } from './count.ts';
import { ModelTally } from './tally.ts';
import type { TallyState } from './tally.ts';
import { templateCounter } from './template-tokens.ts';

export type TotalOptions = {
  readonly price: PriceInUse | null;
  /** Of one request; null: as chat requests limit their answers, none of others. */
  readonly outputTokens: number | null;
};

/** One model's entry of the document. */
export function estimateOf(
  model: CountedModel,
  tally: TallyState,
  options: TotalOptions,
): ModelEstimate {
  const { text, image, audio, video } = tally.tokens;
  const template = templateOf(tally) ?? 0;
  const wrapper = tally.wrapper + template;
  const total = text + image + audio + video + wrapper;
  const stated = worse(statedConfidence(model, tally), textConfidence(model, tally));
  const confidence = worse(confidenceOf(tally), stated);
  const unknown = confidence === 'unknown';
  const answers = answersOf(tally, options.outputTokens);
  return {
    id: model.id,
    engine: model.engine,
    tokens: unknown
      ? { total: null, text: null, image: null, audio: null, video: null, wrapper: null }
      : { total, text, image, audio, video, wrapper },
    range: unknown ? null : { low: template + tally.low, high: template + tally.high },
    requests: tally.requests + tally.one.requests,
    uncounted: tally.uncounted,
    confidence,
    basis: model.description.basis,
    rule: ruleOf(model, tally),
    ruleSource:
      tally.images > 0 ? (model.description.imageTokens[model.engine]?.source ?? null) : null,
    costUsd:
      options.price === null || unknown
        ? null
        : costOf(options.price, {
            ...{ input: total, audio, image, video, output: answers.all },
            long: { ...tally.long, output: answers.long },
          }),
    priceAsOf: options.price?.asOf ?? null,
    priceAgeDays: null,
    price: options.price === null ? null : priceUsed(options.price),
    advice: [],
    costliest: tally.costliest.map(({ value }) => value),
    items: (tally.items ?? []).map(({ value }) => value),
  };
}

/** Answers to be priced, and what of them is to long requests. */
function answersOf({ answers, requests, one, long }: TallyState, each: number | null) {
  return each === null
    ? { all: answers.tokens, long: answers.longTokens }
    : { all: each * (requests + one.requests), long: each * long.requests };
}

/** The same for inputs at hand, all of them one request. */
export function totalOf(
  model: CountedModel,
  counted: readonly CountedInput[],
  options: TotalOptions & { readonly items: boolean },
): ModelEstimate {
  const estimate = estimateOf(model, tallyOf(model, counted), options);
  return options.items ? estimate : { ...estimate, items: [] };
}

/** Inputs at hand as one request. */
export function tallyOf(model: CountedModel, counted: readonly CountedInput[]): TallyState {
  const template = templateCounter(model);
  const tally = new ModelTally({ model, allItems: true, longAbove: null, template });
  counted.forEach((each, order) => tally.add(each, { order, request: 0, copies: 1 }));
  return tally.state();
}

function ruleOf(model: CountedModel, { rules }: TallyState): string {
  const names = rules.map(({ value }) => value);
  const image = model.description.imageTokens[model.engine]?.rule;
  if (image !== undefined && names.includes(image)) return image;
  return names.join(', ') || 'none';
}

/** Of all requests; null where one of them is not known. */
function templateOf({ template, one }: TallyState): number | null {
  return template === null || one.template === null ? null : template + one.template;
}

function confidenceOf(tally: TallyState): Confidence {
  const { taken, uncounted, ranged } = tally;
  if (uncounted > 0 && taken === 0) return 'unknown';
  if (ranged > 0) return 'range';
  return templateOf(tally) === null ? 'formula' : 'exact';
}

/** What the profile says of the image rule, where an image was counted by it. */
function statedConfidence(model: CountedModel, { imagesTaken }: TallyState): Confidence {
  const stated = model.description.imageTokens[model.engine]?.confidence;
  return imagesTaken > 0 && stated !== undefined ? stated : 'exact';
}

/** A vendor's frame around text is published, the one around pictures is not. */
function textConfidence({ vocabulary }: CountedModel, { imagesTaken }: TallyState): Confidence {
  if (vocabulary === null || (vocabulary.frame === null && vocabulary.confidence === 'exact')) {
    return 'exact';
  }
  return imagesTaken > 0 ? 'formula' : vocabulary.confidence;
}

function worse(one: Confidence, other: Confidence): Confidence {
  return CONFIDENCES.indexOf(one) > CONFIDENCES.indexOf(other) ? one : other;
}
