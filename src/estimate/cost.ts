import type { ModelEstimate, PriceUsed } from '../contracts/estimate.ts';
import type { ApiPrice } from '../profiles/price-schema.ts';

/** Money is counted in whole millionths of a dollar and becomes dollars only in the document. */
const MICRO_USD = 1_000_000n;
const DAY_MS = 24 * 60 * 60 * 1000;
/** Vendors change prices several times a year. */
export const STALE_DAYS = 90;

type Cost = NonNullable<ModelEstimate['costUsd']>;

export type BilledTokens = {
  /** All input, sound included. */
  readonly input: number;
  readonly audio: number;
  readonly output: number;
};

/** What tokens cost at a list price, rounded to a millionth of a dollar; no cache or batch discount. */
export function costOf(price: ApiPrice, tokens: BilledTokens): Cost {
  const input =
    microUsd(price.input, tokens.input - tokens.audio) +
    microUsd(price.audioInput ?? price.input, tokens.audio);
  const output = microUsd(price.output, tokens.output);
  return { input: dollars(input), output: dollars(output), total: dollars(input + output) };
}

/** Half a millionth is rounded up; exact for any number of tokens. */
function microUsd(usdPerMillion: number, tokens: number): bigint {
  const microPerMillion = BigInt(Math.round(usdPerMillion * Number(MICRO_USD)));
  return (microPerMillion * BigInt(tokens) + MICRO_USD / 2n) / MICRO_USD;
}

function dollars(micro: bigint): number {
  return Number(micro) / Number(MICRO_USD);
}

export function priceUsed(price: ApiPrice): PriceUsed {
  return {
    input: price.input,
    output: price.output,
    cachedInput: price.cachedInput ?? null,
    audioInput: price.audioInput ?? null,
    batchDiscount: price.batchDiscount ?? null,
    source: price.source,
  };
}

/** Whole days since the price was last seen; a date to come counts as today. */
export function priceAgeDays(price: ApiPrice, now: Date): number {
  const age = now.getTime() - Date.parse(`${price.asOf}T00:00:00Z`);
  return Math.max(0, Math.floor(age / DAY_MS));
}
