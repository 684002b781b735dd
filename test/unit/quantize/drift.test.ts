import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerDrift, distance, totalDrift } from '../../../src/quantize/drift.ts';

type Top = { id: number; logprob: number | null }[];

/** The `n` most probable tokens of a distribution, as an engine tells them. */
function seen(probabilities: readonly number[], n = probabilities.length) {
  const top: Top = probabilities
    .map((p, id) => ({ id, logprob: p === 0 ? null : Math.log(p) }))
    .sort((a, b) => (b.logprob ?? -Infinity) - (a.logprob ?? -Infinity))
    .slice(0, n);
  return { chosen: top[0]?.id ?? -1, top };
}

describe('the distance of two distributions', () => {
  it('is by the textbook where every token is seen', () => {
    // KL((1/2,1/4,1/4) || (1/4,1/2,1/4)) = 1/2 ln 2 - 1/4 ln 2; they differ by 1/4 in two places.
    const found = distance(seen([0.5, 0.25, 0.25]), seen([0.25, 0.5, 0.25]), true);
    expect(found.kl).toBeCloseTo(Math.log(2) / 4, 12);
    expect(found.totalVariation.low).toBeCloseTo(0.25, 12);
    expect(found.totalVariation.high).toBe(found.totalVariation.low);
    expect(found.sameTop).toBe(false);
  });

  it('of a distribution to itself is nothing but what was not seen', () => {
    const same = seen([0.6, 0.3, 0.06, 0.04], 2);
    const found = distance(same, same, false);
    expect(found).toMatchObject({ kl: 0, sameTop: true });
    expect(found.totalVariation.low).toBeCloseTo(0, 12);
    expect(found.totalVariation.high).toBeCloseTo(0.1, 12);
  });

  it('stays finite where a token became impossible', () => {
    const found = distance(seen([0.5, 0.5]), seen([1, 0]), true);
    expect(found.kl).toBeGreaterThan(300);
    expect(Number.isFinite(found.kl)).toBe(true);
  });

  const distributions = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 1000 })), {
      minLength: 2,
      maxLength: 40,
    })
    .map((pairs) => {
      const share = (index: 0 | 1) => {
        const total = pairs.reduce((sum, pair) => sum + pair[index], 0);
        return pairs.map((pair) => pair[index] / total);
      };
      return [share(0), share(1)] as const;
    });

  it('that is told of the top n bounds the whole', () => {
    fc.assert(
      fc.property(distributions, fc.integer({ min: 1, max: 20 }), ([p, q], n) => {
        const whole = distance(seen(p), seen(q), true);
        const part = distance(seen(p, n), seen(q, n), false);
        const rounding = 1e-7;
        expect(part.kl).toBeLessThanOrEqual(whole.kl + rounding);
        expect(part.totalVariation.low).toBeLessThanOrEqual(whole.totalVariation.low + rounding);
        expect(part.totalVariation.high).toBeGreaterThanOrEqual(
          whole.totalVariation.low - rounding,
        );
      }),
    );
  });
});

describe('the drift of answers', () => {
  const [a, b] = [seen([0.7, 0.2, 0.1]), seen([0.2, 0.7, 0.1])];

  it('is compared until they part, that position included', () => {
    expect(answerDrift([a, a, a, a], [a, b, a, a], 10)).toMatchObject({
      positions: 2,
      sameTop: 1,
      bound: false,
    });
    expect(answerDrift([a, a, a], [a, a], 10).positions).toBe(2);
  });

  it('is a bound where a list is as long as was asked for', () => {
    expect(answerDrift([a], [b], 3).bound).toBe(true);
    expect(answerDrift([a], [b], 4).bound).toBe(false);
  });

  it('of several inputs counts each position alike, and keeps the worst', () => {
    const one = answerDrift([a, a, a], [a, a, a], 10);
    const other = answerDrift([a], [b], 10);
    const total = totalDrift([one, other]);
    expect(total).toMatchObject({ positions: 4, sameTop: 3 });
    expect(total.klDivergence.mean).toBeCloseTo(other.klDivergence.mean / 4, 12);
    expect(total.klDivergence.max).toBe(other.klDivergence.max);
    expect(total.totalVariation.high).toBeCloseTo(0.5, 12);
  });
});
