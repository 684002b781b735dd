import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findTokenRule, tokenRules } from '../../../../src/tokens/rules/index.ts';
import { RULE_PARAMS as PARAMS } from '../../../helpers/token-rules.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../../../src/tokens/settings.ts';

/** Gemini 2.x has no limit on its tiles, whatever the picture; those of a strip are small and many. */
const MOST: Readonly<Record<string, number>> = {
  'gemini-tiles': 86 * 256 * 258,
  'scale-steps': 62_501,
  'window-crops': 169 + 84 * 3024,
};

const bound = Object.entries(PARAMS).map(([id, params]) => ({
  id,
  rule: findTokenRule(id)!.bind(params),
}));

it('registers every rule under its own id', () => {
  for (const [id, rule] of Object.entries(tokenRules)) expect(rule.id).toBe(id);
  expect(findTokenRule('nonsense')).toBeNull();
  expect(findTokenRule('toString')).toBeNull();
});

describe.each(bound)('$id', ({ id, rule }) => {
  it.each([
    [0, 100],
    [100, 0],
    [-1, 100],
    [Number.NaN, 100],
    [100, Number.POSITIVE_INFINITY],
    [100.5, 100],
    [2_000_000, 10],
  ])('refuses %sx%s', (width, height) => {
    expect(() => rule.count({ width, height }, DEFAULT_TOKEN_SETTINGS)).toThrow(
      expect.objectContaining({ code: 'input.invalid' }),
    );
    expect(() => rule.resize({ width, height }, DEFAULT_TOKEN_SETTINGS)).toThrow();
  });

  it('gives every picture a whole, positive and bounded number of tokens', () => {
    const side = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 65_535 }));
    fc.assert(
      fc.property(side, side, (width, height) => {
        const size = { width, height };
        const { tokens, detail } = rule.count(size, DEFAULT_TOKEN_SETTINGS);
        const seen = rule.resize(size, DEFAULT_TOKEN_SETTINGS);
        expect(Number.isSafeInteger(tokens)).toBe(true);
        expect(tokens).toBeGreaterThan(0);
        expect(tokens).toBeLessThan(MOST[id] ?? 20_000);
        expect(detail).not.toBe('');
        expect(Number.isSafeInteger(seen.width) && seen.width > 0).toBe(true);
        expect(Number.isSafeInteger(seen.height) && seen.height > 0).toBe(true);
      }),
      { seed: 20261122 },
    );
  });

  it('refuses parameters it does not know', () => {
    expect(() => tokenRules[id as keyof typeof tokenRules].bind({ nonsense: 1 })).toThrow();
  });
});

/**
 * What the tower sees is no picture to send in these families: cut anew, or filled to the budget again, it
 * would cost something else. In all others it stays as it is and costs the same.
 */
const NOT_TO_SEND: ReadonlySet<string> = new Set([
  'aligned-block',
  'anyres',
  'claude-area',
  'dynamic-hd',
  'idefics',
  'internvl-effective',
  'lfm2',
  'minicpm-cells',
  'patch-limit',
  'pixel-budget',
  'window-crops',
]);

describe.each(bound.filter(({ id }) => !NOT_TO_SEND.has(id)))('$id resizes once', ({ rule }) => {
  it('to a size that stays, and costs the same', () => {
    const side = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 9000 }));
    fc.assert(
      fc.property(side, side, (width, height) => {
        const { width: seenWidth, height: seenHeight } = rule.resize(
          { width, height },
          DEFAULT_TOKEN_SETTINGS,
        );
        const seen = { width: seenWidth, height: seenHeight };
        expect(rule.resize(seen, DEFAULT_TOKEN_SETTINGS)).toMatchObject(seen);
        const tokens = (size: typeof seen) => rule.count(size, DEFAULT_TOKEN_SETTINGS).tokens;
        expect(tokens(seen)).toBe(tokens({ width, height }));
      }),
      { seed: 20261122 },
    );
  });
});

describe('resize agrees with count', () => {
  it('smart-resize: a token is one cell of the resized picture', () => {
    const rule = findTokenRule('smart-resize')!.bind(PARAMS['smart-resize']);
    for (const size of [
      { width: 1, height: 1 },
      { width: 1920, height: 1080 },
      { width: 8000, height: 30 },
      { width: 65535, height: 65535 },
    ]) {
      const seen = rule.resize(size, DEFAULT_TOKEN_SETTINGS);
      const { tokens } = rule.count(size, DEFAULT_TOKEN_SETTINGS);
      expect(tokens).toBe((seen.width / 28) * (seen.height / 28));
    }
  });

  it('internvl: tiles and overview, 256 tokens each', () => {
    for (const id of ['internvl-effective', 'internvl-aspect'] as const) {
      const rule = findTokenRule(id)!.bind(PARAMS[id]);
      const size = { width: 1920, height: 1080 };
      const { tiles } = rule.resize(size, DEFAULT_TOKEN_SETTINGS);
      const { tokens } = rule.count(size, DEFAULT_TOKEN_SETTINGS);
      expect(tokens).toBe(((tiles?.columns ?? 0) * (tiles?.rows ?? 0) + 1) * 256);
    }
  });

  it('a picture that one tile holds is not cut by llama.cpp', () => {
    const rule = findTokenRule('internvl-effective')!.bind(PARAMS['internvl-effective']);
    expect(rule.resize({ width: 448, height: 448 }, DEFAULT_TOKEN_SETTINGS)).toEqual({
      width: 448,
      height: 448,
    });
  });
});
