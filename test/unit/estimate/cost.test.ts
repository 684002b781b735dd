import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PriceInUse } from '../../../src/estimate/cost.ts';
import { costOf } from '../../../src/estimate/cost.ts';
import { gpuPrice, perThousandPrice } from '../../../src/estimate/given-price.ts';
import { priceWarnings } from '../../../src/estimate/price-warnings.ts';

const bare: PriceInUse = { model: 'm', input: 2, output: 10, asOf: '2026-11-01', source: 'x' };
const price: PriceInUse = { ...bare, cachedInput: 0.5, batchDiscount: 0.5 };
const M = 1_000_000;

describe('the bill', () => {
  it('takes cached input off text first, in tokens or as a share of every kind', () => {
    const tokens = { input: 3 * M, audio: M, output: M };
    const heard = { ...price, audioInput: 20 };
    expect(costOf({ ...heard, cached: { tokens: 0 } }, tokens)).toEqual({
      ...{ input: 24, output: 10, total: 34 },
    });
    // The cheaper kind is not known to be the cached one, but a system prompt is text.
    expect(costOf({ ...heard, cached: { tokens: M } }, tokens).input).toBe(22.5);
    expect(costOf({ ...heard, cached: { basisPoints: 5000 } }, tokens).input).toBe(22.5);
    const cachedSound = { ...heard, cachedAudioInput: 4, cached: { basisPoints: 5000 } };
    expect(costOf(cachedSound, tokens).input).toBe(14.5);
    expect(costOf({ ...price, cached: { tokens: 9 * M } }, tokens).input).toBe(1.5);
  });

  it('takes the batch discount off all of it, where there is one', () => {
    const tokens = { input: M, audio: 0, output: M };
    expect(costOf({ ...price, batch: true }, tokens).total).toBe(6);
    expect(costOf({ ...bare, batch: true }, tokens).total).toBe(12);
    expect(costOf({ ...price, batch: true, cached: { basisPoints: 10_000 } }, tokens)).toEqual({
      ...{ input: 0.25, output: 5, total: 5.25 },
    });
  });

  it('prices pictures and film at their own price', () => {
    const tokens = { input: 4 * M, audio: M, image: M, video: M, output: 0 };
    expect(costOf({ ...price, imageInput: 3 }, tokens).input).toBe(9);
    expect(costOf({ ...price, imageInput: 3, videoInput: 1, audioInput: 30 }, tokens).input).toBe(
      36,
    );
  });

  it('prices every token of a long request at the higher price', () => {
    const step = { above: 200_000, input: 4, output: 15, cachedInput: 1 };
    const long = { input: M, audio: 0, output: M };
    const tokens = { input: 3 * M, audio: 0, output: 2 * M, long };
    expect(costOf({ ...price, longContext: step }, tokens)).toEqual({
      ...{ input: 8, output: 25, total: 33 },
    });
    // Without a step the same requests cost what all cost.
    expect(costOf(price, tokens).total).toBe(26);
  });

  it('is the same whether parts are added up before or not, but for the rounding', () => {
    const count = fc.integer({ min: 0, max: 10_000_000 });
    fc.assert(
      fc.property(count, count, count, count, (a, b, c, d) => {
        const whole = costOf(price, { input: a + b, audio: 0, output: c + d }).total;
        const parts = [
          costOf(price, { input: a, audio: 0, output: c }).total,
          costOf(price, { input: b, audio: 0, output: d }).total,
        ];
        expect(Math.abs(whole - (parts[0] ?? 0) - (parts[1] ?? 0))).toBeLessThan(0.000003);
      }),
    );
  });
});

describe('a price of one’s own', () => {
  it('a thousand tokens', () => {
    expect(perThousandPrice('m', { input: 0.0025, output: 0.01 })).toMatchObject({
      ...{ input: 2.5, output: 10, asOf: null, given: 'given' },
    });
  });

  it('of hardware by the hour, with the formula', () => {
    const made = gpuPrice('m', { usdPerHour: 3.6, inputPerSecond: 1000, outputPerSecond: 100 });
    expect(made).toMatchObject({ input: 1, output: 10, given: 'gpu-hours' });
    expect(made.formula).toBe(
      'in: $3.6 an hour / (3,600 s x 1000 tokens/s) x 1,000,000 = $1; ' +
        'out: $3.6 an hour / (3,600 s x 100 tokens/s) x 1,000,000 = $10',
    );
    // An hour at that rate costs the hour.
    const anHour = { input: 1000 * 3600, audio: 0, output: 0 };
    expect(costOf(made, anHour).total).toBe(3.6);
  });
});

describe('terms that a price does not have', () => {
  const asked = { now: new Date('2026-11-02T00:00:00Z'), asOf: null, inputTokens: 100 };
  const model = { id: 'm', engine: 'api' } as const;

  it('are said', () => {
    const warned = (terms: Partial<PriceInUse>, of: PriceInUse = bare) =>
      priceWarnings(model, { ...of, ...terms }, asked);
    expect(warned({})).toEqual([]);
    expect(warned({ batch: true })).toEqual([expect.stringMatching(/^no batch price of m/)]);
    expect(warned({ cached: { tokens: 50 } })).toEqual([
      expect.stringMatching(/cached input of m/),
    ]);
    expect(warned({ cached: { tokens: 101 } }, price)).toEqual([
      expect.stringContaining('fewer than the 101'),
    ]);
    expect(warned({ batch: true, cached: { tokens: 1 } }, price)).toEqual([
      expect.stringContaining('not every vendor'),
    ]);
    expect(warned({ given: 'given', asOf: null })).toEqual([]);
  });
});
