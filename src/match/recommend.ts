import type { RecommendedCards } from '../contracts/recommend.ts';
import type { DeviceInput } from '../memory/types.ts';
import type { GpuCard } from '../profiles/gpu-schema.ts';
import type { GpuPrice } from '../profiles/gpu-price-schema.ts';
import { reportedBytes } from './gpu-name.ts';
import { BACKENDS } from './gpu-spec.ts';

/** Most cards that a recommendation puts together. */
const MAX_CARDS = 8;

/** A card in one of the capacities it was sold with. */
type Offer = {
  /** As `--gpu` takes it. */
  readonly name: string;
  readonly card: GpuCard;
  readonly capacityBytes: number;
  /** Of each provider that rents it; third-party hosts only where nobody else does. */
  readonly prices: readonly GpuPrice[];
};

/** Peak of the fullest of `devices` (all alike), or null when they do not hold the model with room to spare. */
type Holds = (devices: readonly DeviceInput[]) => number | null;

const DAY_MS = 86_400_000;
/** A price older than this is worth a warning: some rose by a fifth within three months of 2026. */
const STALE_DAYS = 90;

/**
 * What a deployment can be put on: desktop and data-centre cards with memory of their own. Laptop
 * parts cannot be bought alone, and unified memory is shared with everything else.
 */
export function offersOf(cards: readonly GpuCard[], prices: readonly GpuPrice[]): Offer[] {
  return cards
    .filter((card) => !card.mobile && card.memoryKind === 'dedicated' && card.devices === 1)
    .flatMap((card) =>
      card.memoryGib.value.map((gib) => ({
        name: card.memoryGib.value.length > 1 ? `${card.name} ${gib}GB` : card.name,
        card,
        capacityBytes: reportedBytes(card, gib),
        prices: pricesOf(prices, card.id),
      })),
    );
}

function pricesOf(prices: readonly GpuPrice[], card: string): readonly GpuPrice[] {
  const all = prices.filter(({ gpu }) => gpu === card);
  const onDemand = all.filter(({ tier }) => tier === 'on-demand');
  return onDemand.length > 0 ? onDemand : all;
}

/** Fewest cards of each offer that hold the model, from `least` to `most` of them. */
export function fittingOffers(
  offers: readonly Offer[],
  holds: Holds,
  now: Date,
  most = MAX_CARDS,
): RecommendedCards[] {
  // Cards of one capacity, runtime and (NVIDIA's) compute capability hold the same: most offers are answered from here.
  const known = new Map<string, { count: number; peakBytes: number } | null>();
  return offers.flatMap((offer) => {
    const backend = BACKENDS[offer.card.vendor];
    const key = `${backend} ${offer.capacityBytes} ${computeOf(offer) ?? offer.name}`;
    const fit = known.get(key) ?? (known.has(key) ? null : fewest(offer, backend, holds, most));
    known.set(key, fit);
    return fit === null ? [] : [recommended(offer, fit, now)];
  });
}

function fewest(offer: Offer, backend: string, holds: Holds, most: number) {
  for (let count = 1; count <= most; count++) {
    const devices = Array.from({ length: count }, (_, index) => ({
      id: `gpu${index}`,
      name: offer.name,
      capacityBytes: offer.capacityBytes,
      freeBytes: null,
      backend,
      computeCapability: computeOf(offer),
    }));
    const peakBytes = holds(devices);
    if (peakBytes !== null) return { count, peakBytes };
  }
  return null;
}

/** Of an NVIDIA card; vLLM's kernels ask for it. */
function computeOf({ card }: Offer): string | null {
  return card.vendor === 'nvidia' ? (card.compute?.value ?? null) : null;
}

function recommended(
  { name, capacityBytes, prices }: Offer,
  { count, peakBytes }: { readonly count: number; readonly peakBytes: number },
  now: Date,
): RecommendedCards {
  const gpu = count === 1 ? name : `${count}x ${name}`;
  const [price] = prices
    .map((each) => priced(each, count, now))
    .sort((a, b) => a.usdPerHour - b.usdPerHour);
  return { gpu, count, capacityBytes, peakBytes, price: price ?? null };
}

type Priced = NonNullable<RecommendedCards['price']>;

function priced(price: GpuPrice, count: number, now: Date): Priced {
  const instance = price.gpus ?? 1;
  const paid = Math.ceil(count / instance) * instance;
  return {
    // Micro-dollars: kept free of binary noise.
    usdPerHour: Math.round(paid * price.usdPerHour * 1e6) / 1e6,
    usdPerCardHour: price.usdPerHour,
    provider: price.provider,
    tier: price.tier,
    asOf: price.asOf,
    ageDays: Math.floor((now.getTime() - Date.parse(`${price.asOf}T00:00:00Z`)) / DAY_MS),
    source: price.source,
  };
}

/** Least memory in all, then fewer cards, then the cheaper one, then by name so that it is one answer. */
export function smallestOf(fitting: readonly RecommendedCards[]): RecommendedCards | null {
  return least(fitting, (each) => [
    each.capacityBytes * each.count,
    each.count,
    each.price?.usdPerHour ?? Infinity,
  ]);
}

/** Least money an hour, then fewer cards, then less memory; cards without a price take no part. */
export function cheapestOf(fitting: readonly RecommendedCards[]): RecommendedCards | null {
  const rented = fitting.filter(({ price }) => price !== null);
  return least(rented, (each) => [
    each.price?.usdPerHour ?? Infinity,
    each.count,
    each.capacityBytes * each.count,
  ]);
}

function least(
  all: readonly RecommendedCards[],
  order: (each: RecommendedCards) => readonly number[],
): RecommendedCards | null {
  const before = (a: RecommendedCards, b: RecommendedCards): number => {
    const [left, right] = [order(a), order(b)];
    const at = left.findIndex((value, index) => value !== right[index]);
    return at === -1 ? (a.gpu < b.gpu ? -1 : 1) : (left[at] ?? 0) - (right[at] ?? 0);
  };
  return [...all].sort(before)[0] ?? null;
}

/** One line when prices that are shown are old; null while all are fresh. */
export function staleWarning(shown: readonly (RecommendedCards | null)[]): string | null {
  const ages = shown.flatMap((each) => (each?.price == null ? [] : [each.price.ageDays]));
  const oldest = Math.max(0, ...ages);
  return oldest > STALE_DAYS
    ? `the oldest price shown is ${oldest} days old: check it with its provider before you rely on it`
    : null;
}
