import { describe, expect, it } from 'vitest';
import {
  cheapestOf,
  fittingOffers,
  offersOf,
  smallestOf,
  staleWarning,
} from '../../../src/match/recommend.ts';
import { compileProfiles, loadCards, loadGpuPrices } from '../../../src/profiles/load.ts';
import type { GpuPrice } from '../../../src/profiles/gpu-price-schema.ts';
import { GIB } from '../../../src/units.ts';

const nowhere = { user: null, flag: null };
const [cards, prices] = await Promise.all([loadCards(nowhere), loadGpuPrices(nowhere)]);
const NOW = new Date('2026-11-22T12:00:00Z');
const L4 = 'nvidia-l4';

const price = (usdPerHour: number, more: Partial<GpuPrice> = {}): GpuPrice => ({
  ...{ gpu: L4, provider: 'P', tier: 'on-demand', usdPerHour, region: 'any' },
  ...{ asOf: '2026-11-20', source: 's', kind: 'list' },
  ...more,
});
/** Holds a model that needs `bytes` spread evenly. */
const needing = (bytes: number) => (devices: readonly { capacityBytes: number | null }[]) => {
  const each = bytes / devices.length;
  return devices.every(({ capacityBytes }) => (capacityBytes ?? 0) >= each) ? each : null;
};
const l4 = cards.filter(({ id }) => id === L4);
const on = (list: readonly GpuPrice[], bytes: number) =>
  fittingOffers(offersOf(l4, list), needing(bytes), NOW)[0];

describe('gpu-prices.yaml', () => {
  it('prices cards there are, from sources it names', async () => {
    const ids = new Set(cards.map(({ id }) => id));
    expect(prices.length).toBeGreaterThan(100);
    expect(prices.filter(({ gpu }) => !ids.has(gpu))).toEqual([]);
    expect((await compileProfiles()).gpuPrices).toEqual(prices);
  });

  it('has one price of a provider, tier and card', () => {
    const keys = prices.map(({ gpu, provider, tier }) => `${gpu} ${provider} ${tier}`);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('fittingOffers', () => {
  it('takes as many cards as are needed, and no more than eight', () => {
    expect(on([], 20 * GIB)).toMatchObject({ gpu: 'L4', count: 1, price: null });
    expect(on([], 50 * GIB)).toMatchObject({ gpu: '3x L4', count: 3 });
    expect(on([], 300 * GIB)).toBeUndefined();
  });

  it('pays every card, and whole instances', () => {
    expect(on([price(0.4)], 50 * GIB)?.price).toMatchObject({ usdPerHour: 1.2, ageDays: 2 });
    expect(on([price(0.4, { gpus: 8 })], 50 * GIB)?.price?.usdPerHour).toBe(3.2);
    // Dearer by the card, cheaper for the three that are needed.
    const both = [price(0.4, { gpus: 8, provider: 'A' }), price(0.9, { provider: 'B' })];
    expect(on(both, 50 * GIB)?.price).toMatchObject({ usdPerHour: 2.7, provider: 'B' });
  });

  it('takes third-party hosts only where nobody else rents the card', () => {
    const community = price(0.1, { tier: 'community', provider: 'C' });
    expect(on([community, price(0.5)], GIB)?.price?.provider).toBe('P');
    expect(on([community], GIB)?.price?.provider).toBe('C');
  });

  it('leaves out laptop parts and unified memory', () => {
    const names = offersOf(cards, prices).map(({ name }) => name);
    expect(names).toContain('RTX 4090');
    expect(names.filter((name) => /Laptop|Mobile|^M\d|GB10|Jetson/.test(name))).toEqual([]);
  });
});

describe('smallest and cheapest', () => {
  it.each([5, 17, 45, 100, 400])('of a model of %i GiB: nothing beats them', (gib) => {
    const offers = offersOf(cards, prices);
    const holds = needing(gib * GIB);
    const fitting = fittingOffers(offers, holds, NOW);
    const smallest = smallestOf(fitting);
    const cheapest = cheapestOf(fitting);
    for (const { name, card, capacityBytes } of offers) {
      for (let count = 1; count <= 8; count++) {
        const devices = Array.from({ length: count }, (_, index) => ({
          ...{ id: `gpu${index}`, name, capacityBytes, freeBytes: null, backend: card.vendor },
        }));
        if (holds(devices) === null) continue;
        const total = (smallest?.capacityBytes ?? 0) * (smallest?.count ?? 0);
        expect(capacityBytes * count).toBeGreaterThanOrEqual(total);
        const fewest = fitting.find(({ gpu }) => gpu.endsWith(name));
        const usd = fewest?.price?.usdPerHour ?? Infinity;
        expect(usd).toBeGreaterThanOrEqual(cheapest?.price?.usdPerHour ?? Infinity);
      }
    }
  });
});

describe('staleWarning', () => {
  const shown = (asOf: string) => [on([price(1, { asOf })], GIB) ?? null];

  it('warns after ninety days', () => {
    expect(staleWarning(shown('2026-08-24'))).toBeNull();
    expect(staleWarning(shown('2026-08-22'))).toMatch(/92 days/);
    expect(staleWarning([null])).toBeNull();
  });
});
