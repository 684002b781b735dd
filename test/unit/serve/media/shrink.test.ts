import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shrunkSize } from '../../../../src/serve/media/shrink.ts';
import type { ImageSize } from '../../../../src/tokens/rules/define.ts';
import { findTokenRule } from '../../../../src/tokens/rules/index.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../../../src/tokens/settings.ts';
import { RULE_PARAMS } from '../../../helpers/token-rules.ts';

const rules = Object.entries(RULE_PARAMS).map(([id, params]) => ({
  id,
  rule: findTokenRule(id)!.bind(params),
}));
const SETTINGS = [
  DEFAULT_TOKEN_SETTINGS,
  { ...DEFAULT_TOKEN_SETTINGS, imageMaxTokens: 300, ubatch: 512 },
];
const side = fc.oneof(fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 300, max: 2000 }));
const sizes = fc.record({ width: side, height: side });

const sides = ({ width, height }: ImageSize) => [width, height];
const pixels = ({ width, height }: ImageSize) => width * height;

describe.each(rules)('a smaller copy under $id', ({ rule }) => {
  it.each(SETTINGS)('costs the same and is cut alike, whatever its size', (settings) => {
    fc.assert(
      fc.property(sizes, (size) => {
        const count = () => rule.count(size, settings);
        let counted: ReturnType<typeof count>;
        try {
          counted = count();
        } catch {
          return;
        }
        const smaller = shrunkSize(size, { rule, settings });
        expect(rule.count(smaller, settings)).toEqual(counted);
        expect(rule.resize(smaller, settings)).toEqual(rule.resize(size, settings));
        if (smaller === size) return;
        expect(pixels(smaller)).toBeLessThan(pixels(size));
        // Each side is rounded up to a whole pixel; otherwise it is the same shape.
        const scale = Math.max(...sides(smaller)) / Math.max(...sides(size));
        expect(
          Math.abs(Math.min(...sides(smaller)) - Math.min(...sides(size)) * scale),
        ).toBeLessThan(2);
      }),
      { numRuns: 200, seed: 20_261_122 },
    );
  });
});

it('brings a photo of 12 megapixels to what the model sees', () => {
  const photo = { width: 4032, height: 3024 };
  const shrunk = (id: keyof typeof RULE_PARAMS) =>
    shrunkSize(photo, {
      rule: findTokenRule(id)!.bind(RULE_PARAMS[id]),
      settings: DEFAULT_TOKEN_SETTINGS,
    });
  expect(shrunk('fixed-grid')).toEqual({ width: 336, height: 252 });
  expect(shrunk('internvl-effective').width).toBeLessThan(2500);
  expect(shrunk('smart-resize').width).toBeLessThan(2200);
  expect(shrunk('minicpm').width).toBeLessThan(2000);
});

it('leaves a picture as it is where no rule is known, and one that is enlarged anyway', () => {
  const size = { width: 300, height: 200 };
  expect(shrunkSize(size, null)).toBe(size);
  const rule = findTokenRule('fixed')!.bind(RULE_PARAMS.fixed);
  expect(shrunkSize(size, { rule, settings: DEFAULT_TOKEN_SETTINGS })).toBe(size);
});
