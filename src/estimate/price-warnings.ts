import type { EngineName } from '../contracts/basis.ts';
import type { PriceInUse } from './cost.ts';
import type { AnswerLimits } from './tally.ts';
import { STALE_DAYS, priceAgeDays } from './cost.ts';

export type PricedRequest = {
  readonly now: Date;
  /** `--as-of`. */
  readonly asOf: string | null;
  /** All input of the model, null where it is not known. */
  readonly inputTokens: number | null;
  /** Every request is known by itself and priced by its own length; otherwise all input is one. */
  readonly apart?: boolean;
  /** The limits by which answers are priced; null or left out where `--output-tokens` says. */
  readonly answers?: AnswerLimits | null;
};

type Priced = { readonly id: string; readonly engine: EngineName };

/** A price that is missing, old, of another day, without the terms asked for, or higher for a request of this length. */
export function priceWarnings(
  { id, engine }: Priced,
  price: PriceInUse | null,
  priced: PricedRequest,
): string[] {
  const { now, asOf, inputTokens, apart = false, answers = null } = priced;
  const answering = price === null || answers === null ? [] : answerWarnings(id, answers);
  return [...listWarnings({ id, engine }, price, { now, asOf, inputTokens, apart }), ...answering];
}

/** What a bill by the limits of answers is. */
function answerWarnings(id: string, { limited, tokens, unlimited }: AnswerLimits): string[] {
  const have = unlimited === 1 ? 'request has' : 'requests have';
  const none =
    unlimited === 0
      ? ''
      : `${unlimited} ${have} no limit and count without an answer (\`--output-tokens N\`)`;
  if (limited === 0) return none === '' ? [] : [`${id}: ${none}`];
  const most = `answers are priced at the limits of their requests, at most ${tokens} tokens`;
  return [`${id}: ${most}${none === '' ? '' : `; ${none}`}`];
}

function listWarnings(
  { id, engine }: Priced,
  price: PriceInUse | null,
  { now, asOf, inputTokens, apart }: Required<Omit<PricedRequest, 'answers'>>,
): string[] {
  if (price?.given !== undefined) return [];
  if (engine !== 'api') return [];
  if (price === null) {
    return [
      `no price for ${id}: give one with \`--price-per-1k IN,OUT\`, or in prices.yaml of your profile folder`,
    ];
  }
  const days = priceAgeDays(price, now);
  const day = price.asOf ?? 'an unknown day';
  const long = price.longContext;
  return [
    ...(asOf !== null && asOf !== price.asOf
      ? [`the price of ${id} is of ${day}, not of ${asOf}: prices of the past are not kept`]
      : []),
    ...(days > STALE_DAYS && asOf === null
      ? [`the price of ${id} is of ${day}, ${days} days ago: check it before you rely on it`]
      : []),
    ...(!apart && long !== undefined && (inputTokens ?? 0) > long.above
      ? [
          `${id}: a single request of more than ${long.above} input tokens costs $${long.input} in and ` +
            `$${long.output} out a million; priced as requests below that`,
        ]
      : []),
    ...termWarnings(id, price, inputTokens),
  ];
}

function termWarnings(id: string, price: PriceInUse, inputTokens: number | null): string[] {
  const { batch = false, batchDiscount, cached = null, cachedInput } = price;
  const many = cached !== null && 'tokens' in cached ? cached.tokens : 0;
  return [
    ...(batch && batchDiscount === undefined
      ? [`no batch price of ${id} is known: priced without a discount`]
      : []),
    ...(cached !== null && cachedInput === undefined
      ? [`no price of cached input of ${id} is known: priced as any other`]
      : []),
    ...(inputTokens !== null && many > inputTokens
      ? [`${id} has ${inputTokens} input tokens, fewer than the ${many} of --cached-input-tokens`]
      : []),
    ...(batch && batchDiscount !== undefined && cached !== null && cachedInput !== undefined
      ? [`${id}: the batch discount is taken off cached input as well, which not every vendor does`]
      : []),
  ];
}
