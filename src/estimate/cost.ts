import type { ModelEstimate, PriceUsed } from '../contracts/estimate.ts';
import type { ApiPrice } from '../profiles/price-schema.ts';

/** Money is counted in whole millionths of a dollar and becomes dollars only in the document. */
const MICRO_USD = 1_000_000n;
const DAY_MS = 24 * 60 * 60 * 1000;
const WHOLE = 10_000n;
/** Vendors change prices several times a year. */
export const STALE_DAYS = 90;

type Cost = NonNullable<ModelEstimate['costUsd']>;

/** How much of the input the vendor has seen before: of all requests together. */
export type CachedInput =
  | { readonly tokens: number }
  /** Ten-thousandths of every kind of input. */
  | { readonly basisPoints: number };

/** A price with the terms it is applied on. A plain list price is one. */
export type PriceInUse = Omit<ApiPrice, 'asOf'> & {
  /** Null for a price that was given and so has no day. */
  readonly asOf: string | null;
  /** How a price that is in no list came about. */
  readonly given?: PriceUsed['basis'];
  readonly formula?: string;
  readonly batch?: boolean;
  readonly cached?: CachedInput | null;
};

/** Sums over all requests, so that parts of a job can be added up first. */
export type BilledTokens = {
  /** All input, every modality and wrapper included. */
  readonly input: number;
  /** Of `input`: what may have a price of its own. */
  readonly audio: number;
  readonly image?: number;
  readonly video?: number;
  readonly output: number;
  /** Of all these: what is in requests above `longContext.above`. */
  readonly long?: { readonly input: number; readonly audio: number; readonly output: number };
};

/**
 * What tokens cost, from whole numbers alone and rounded once for input and once for output, half a
 * millionth of a dollar up. Cached tokens are taken off text first, then images, video and sound, short
 * requests before long ones. A batch discount is taken off cached input too.
 */
export function costOf(price: PriceInUse, tokens: BilledTokens): Cost {
  const parts = inputParts(price, tokens);
  const cached = cachedOf(price.cached ?? null, parts);
  const long = tokens.long?.output ?? 0;
  const input = parts.map(
    ({ tokens: count, rate, cachedRate }, index) =>
      micro(rate) * BigInt(count - (cached[index] ?? 0)) +
      micro(cachedRate) * BigInt(cached[index] ?? 0),
  );
  const output = [
    micro(price.output) * BigInt(tokens.output - long),
    micro(price.longContext?.output ?? price.output) * BigInt(long),
  ];
  const charged = (amounts: readonly bigint[]) => rounded(amounts, price);
  const [inputUsd, outputUsd] = [charged(input), charged(output)];
  return {
    input: dollars(inputUsd),
    output: dollars(outputUsd),
    total: dollars(inputUsd + outputUsd),
  };
}

type Part = { readonly tokens: number; readonly rate: number; readonly cachedRate: number };

function inputParts(price: PriceInUse, tokens: BilledTokens): Part[] {
  const { input, audio, image = 0, video = 0 } = tokens;
  const step = price.longContext;
  const long = step === undefined ? undefined : tokens.long;
  const ownImage = price.imageInput === undefined ? 0 : image;
  const ownVideo = price.videoInput === undefined ? 0 : video;
  const longText = (long?.input ?? 0) - (long?.audio ?? 0);
  const plain = (rate: number, cachedRate: number | undefined, count: number): Part => ({
    ...{ tokens: count, rate, cachedRate: cachedRate ?? rate },
  });
  const heard = price.audioInput;
  return [
    plain(price.input, price.cachedInput, input - audio - ownImage - ownVideo - longText),
    plain(price.imageInput ?? price.input, price.cachedInput, ownImage),
    plain(price.videoInput ?? price.input, price.cachedInput, ownVideo),
    plain(
      heard ?? price.input,
      heard === undefined ? price.cachedInput : price.cachedAudioInput,
      audio - (long?.audio ?? 0),
    ),
    plain(step?.input ?? price.input, step?.cachedInput, longText),
    plain(heard ?? step?.input ?? price.input, price.cachedAudioInput, long?.audio ?? 0),
  ];
}

/** Cached tokens of each part. */
function cachedOf(cached: CachedInput | null, parts: readonly Part[]): number[] {
  if (cached === null) return parts.map(() => 0);
  if ('basisPoints' in cached) {
    const share = (count: number) => (BigInt(count) * BigInt(cached.basisPoints)) / WHOLE;
    return parts.map(({ tokens }) => Number(share(tokens)));
  }
  let left = cached.tokens;
  return parts.map(({ tokens }) => {
    const taken = Math.min(tokens, left);
    left -= taken;
    return taken;
  });
}

/** Sums of tokens times micro-dollars a million tokens, in micro-dollars. */
function rounded(amounts: readonly bigint[], { batch, batchDiscount = 0 }: PriceInUse): bigint {
  const kept = batch === true ? WHOLE - BigInt(Math.round(batchDiscount * Number(WHOLE))) : WHOLE;
  const unit = MICRO_USD * WHOLE;
  const exact = amounts.reduce((sum, each) => sum + each, 0n) * kept;
  return (exact + unit / 2n) / unit;
}

function micro(usdPerMillion: number): bigint {
  return BigInt(Math.round(usdPerMillion * Number(MICRO_USD)));
}

function dollars(amount: bigint): number {
  return Number(amount) / Number(MICRO_USD);
}

export function priceUsed(price: PriceInUse): PriceUsed {
  const { longContext } = price;
  return {
    input: price.input,
    output: price.output,
    cachedInput: price.cachedInput ?? null,
    imageInput: price.imageInput ?? null,
    audioInput: price.audioInput ?? null,
    videoInput: price.videoInput ?? null,
    batchDiscount: price.batchDiscount ?? null,
    longContext:
      longContext === undefined
        ? null
        : {
            above: longContext.above,
            input: longContext.input,
            output: longContext.output,
            cachedInput: longContext.cachedInput ?? null,
          },
    basis: price.given ?? 'list',
    provider: price.provider ?? null,
    batch: price.batch === true && price.batchDiscount !== undefined,
    cached: cachedShown(price.cached ?? null),
    formula: price.formula ?? null,
    source: price.source,
  };
}

function cachedShown(cached: CachedInput | null): PriceUsed['cached'] {
  if (cached === null) return null;
  return 'tokens' in cached
    ? { tokens: cached.tokens, percent: null }
    : { tokens: null, percent: cached.basisPoints / 100 };
}

/** Whole days since the price was last seen; a date to come, or none, counts as today. */
export function priceAgeDays({ asOf }: Pick<PriceInUse, 'asOf'>, now: Date): number {
  if (asOf === null) return 0;
  const age = now.getTime() - Date.parse(`${asOf}T00:00:00Z`);
  return Math.max(0, Math.floor(age / DAY_MS));
}
