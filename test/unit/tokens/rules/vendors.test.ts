import { describe, expect, it } from 'vitest';
import { findTokenRule } from '../../../../src/tokens/rules/index.ts';
import type { TokenSettings } from '../../../../src/tokens/settings.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../../../src/tokens/settings.ts';

/** Rules of the vendors' APIs. `vendor`: printed in its documents; `rule`: worked out from them by other code. */
const SIZES = [
  ...['336x336', '640x480', '1024x768', '1280x720'],
  ...['1920x1080', '3840x2160', '1080x1920', '2480x3508'],
] as const;

const sizeOf = (text: string) => {
  const [width = Number.NaN, height = Number.NaN] = text.split('x').map(Number);
  return { width, height };
};
const ask = (id: string, params: object, size: string, settings: Partial<TokenSettings> = {}) => {
  const rule = findTokenRule(id)!.bind(params);
  const use = { ...DEFAULT_TOKEN_SETTINGS, ...settings };
  return { ...rule.count(sizeOf(size), use), seen: rule.resize(sizeOf(size), use) };
};

const budget = (maxPatches: number, maxSide?: number) =>
  maxSide === undefined ? { maxPatches } : { maxPatches, maxSide };
const patch = (multiplier: number, level: object) => ({
  ...{ multiplier, low: level, high: level, auto: 'high' },
});
const SEEN_2026 = budget(6144, 2048);
const GPT_52 = patch(1.2, SEEN_2026);
const GPT_54 = {
  ...patch(1.2, budget(2500, 2048)),
  low: SEEN_2026,
  original: budget(10_000, 6000),
};
const GPT_55 = { ...GPT_54, low: { maxSide: 512 }, auto: 'original' };
const GPT_56 = { ...GPT_55, original: { maxSide: 65_535 } };
const CLAUDE = { maxSide: 1568, maxTokens: 1568 };
const CLAUDE_HIGH = { maxSide: 2576, maxTokens: 4784 };
const GEMINI_2 = { tile: 258, small: 384, low: 64, medium: 256 };
const GEMINI_3 = { low: 280, medium: 560, high: 1120, ultra_high: 2240, default: 'high' };

const CASES: readonly {
  readonly model: string;
  readonly rule: string;
  readonly params: object;
  readonly settings?: Partial<TokenSettings>;
  readonly tokens: readonly number[];
}[] = [
  {
    model: 'GPT-4.1 mini',
    rule: 'openai-patch',
    params: patch(1.62, SEEN_2026),
    tokens: [197, 486, 1245, 1491, 3305, 3733, 3305, 4770],
  },
  {
    model: 'GPT-4.1 mini as published until mid-2026',
    rule: 'openai-patch',
    params: patch(1.62, budget(1536)),
    tokens: [197, 486, 1245, 1491, 2443, 2443, 2443, 2385],
  },
  {
    model: 'GPT-4.1 nano',
    rule: 'openai-patch',
    params: patch(2.46, budget(1536)),
    tokens: [298, 738, 1890, 2264, 3710, 3710, 3710, 3622],
  },
  {
    model: 'o4-mini',
    rule: 'openai-patch',
    params: patch(1.72, budget(1536)),
    tokens: [209, 516, 1321, 1583, 2594, 2594, 2594, 2532],
  },
  {
    model: 'GPT-5 mini',
    rule: 'openai-patch',
    params: patch(1.2, budget(1536)),
    tokens: [146, 360, 922, 1104, 1810, 1810, 1810, 1767],
  },
  {
    model: 'GPT-5.2',
    rule: 'openai-patch',
    params: GPT_52,
    tokens: [146, 360, 922, 1104, 2448, 2765, 2448, 3533],
  },
  {
    model: 'GPT-5.4, high',
    rule: 'openai-patch',
    params: GPT_54,
    tokens: [146, 360, 922, 1104, 2448, 2765, 2448, 2974],
  },
  {
    model: 'GPT-5.5, auto',
    rule: 'openai-patch',
    params: GPT_55,
    tokens: [146, 360, 922, 1104, 2448, 9792, 2448, 10296],
  },
  {
    model: 'GPT-5.6 and GPT-6, auto',
    rule: 'openai-patch',
    params: GPT_56,
    settings: { detail: 'auto' },
    tokens: [146, 360, 922, 1104, 2448, 9792, 2448, 10296],
  },
  {
    model: 'GPT-5.6 and GPT-6, low',
    rule: 'openai-patch',
    params: GPT_56,
    settings: { detail: 'low' },
    tokens: [146, 231, 231, 173, 173, 173, 173, 231],
  },
  {
    model: 'Claude before 4.7',
    rule: 'claude-patch',
    params: CLAUDE,
    tokens: [144, 414, 1036, 1196, 1560, 1560, 1560, 1551],
  },
  {
    model: 'Claude from 4.7 on',
    rule: 'claude-patch',
    params: CLAUDE_HIGH,
    tokens: [144, 414, 1036, 1196, 2691, 4784, 2691, 4756],
  },
  {
    model: 'Claude as published until 2026',
    rule: 'claude-area',
    params: { pixelsPerToken: 750, maxSide: 1568, maxTokens: 1600 },
    tokens: [151, 410, 1049, 1229, 1600, 1600, 1600, 1600],
  },
  {
    model: 'Gemini 2.x',
    rule: 'gemini-tiles',
    params: GEMINI_2,
    tokens: [258, 1032, 1032, 1548, 1548, 3870, 1548, 5160],
  },
  {
    model: 'Gemini 3',
    rule: 'gemini-budget',
    params: GEMINI_3,
    tokens: [1120, 1120, 1120, 1120, 1120, 1120, 1120, 1120],
  },
  {
    model: 'Pixtral, breaks and all but the end',
    rule: 'longest-edge',
    params: { longestEdge: 1024, factor: 16 },
    tokens: [461, 1229, 3119, 2339, 2339, 2339, 2367, 3007],
  },
  {
    model: 'Mistral Small 3.1, breaks and all but the end',
    rule: 'longest-edge',
    params: { longestEdge: 1540, factor: 28 },
    tokens: [155, 431, 1063, 1221, 1735, 1735, 1759, 2199],
  },
];

describe.each(CASES)('$model', ({ rule, params, settings, tokens }) => {
  it.each(SIZES.map((size, index) => ({ size, expected: tokens[index] })))(
    '$size costs $expected tokens (rule)',
    ({ size, expected }) => {
      expect(ask(rule, params, size, settings).tokens).toBe(expected);
    },
  );
});

describe('OpenAI (vendor)', () => {
  it.each([
    ['GPT-5.4, high', GPT_54, '1024x1024', 1229],
    ['GPT-5.4, high', GPT_54, '2048x2048', 3000],
    ['GPT-5 mini', patch(1.2, budget(1536)), '2048x768', 1844],
  ])('%s: %s', (_model, params, size, tokens) => {
    expect(ask('openai-patch', params, size).tokens).toBe(tokens);
  });

  it('shrinks to whole patches', () => {
    expect(ask('openai-patch', GPT_54, '2048x2048').seen).toEqual({ width: 1600, height: 1600 });
    const old = ask('openai-patch', patch(1, budget(1536)), '1800x2400');
    expect([old.tokens, old.seen]).toEqual([1452, { width: 1056, height: 1408 }]);
  });

  it('rejects more than 30000 patches, and takes the same picture in high detail', () => {
    expect(() => ask('openai-patch', GPT_56, '6000x6000')).toThrow(/35344 patches/);
    expect(ask('openai-patch', GPT_56, '6000x6000', { detail: 'high' }).tokens).toBe(3000);
  });

  it('knows `original` only where the model does', () => {
    expect(ask('openai-patch', GPT_54, '3840x2160', { detail: 'original' }).tokens).toBe(9792);
    expect(() => ask('openai-patch', GPT_52, '9x9', { detail: 'original' })).toThrow(/original/);
  });
});

describe('Claude (vendor)', () => {
  it.each([
    [CLAUDE, '200x200', 64, '200x200'],
    [CLAUDE, '1000x1000', 1296, '1000x1000'],
    [CLAUDE, '1092x1092', 1521, '1092x1092'],
    [CLAUDE, '1075x1520', 1551, '924x1307'],
    [CLAUDE, '3840x2160', 1560, '1456x819'],
    [CLAUDE_HIGH, '1920x1080', 2691, '1920x1080'],
    [CLAUDE_HIGH, '3840x2160', 4784, '2576x1449'],
    [CLAUDE_HIGH, '4032x3024', 4740, '2212x1659'],
  ])('%o: %s costs %s', (limits, size, tokens, seen) => {
    const counted = ask('claude-patch', limits, size);
    expect([counted.tokens, counted.seen]).toEqual([tokens, sizeOf(seen)]);
  });
});

describe('Gemini (vendor)', () => {
  it('cuts 960x540 into six tiles, and gives the count of 768 px tiles as the other bound', () => {
    const { tokens, low, high, seen } = ask('gemini-tiles', GEMINI_2, '960x540');
    expect({ tokens, low, high }).toEqual({ tokens: 1548, low: 516, high: 1548 });
    expect(seen.tiles).toEqual({ columns: 3, rows: 2, thumbnail: false });
  });

  it('obeys media_resolution', () => {
    const at = (mediaResolution: TokenSettings['mediaResolution']) => ({ mediaResolution });
    expect(ask('gemini-tiles', GEMINI_2, '1920x1080', at('low')).tokens).toBe(64);
    expect(ask('gemini-tiles', GEMINI_2, '1920x1080', at('medium')).tokens).toBe(256);
    expect(ask('gemini-tiles', GEMINI_2, '1920x1080', at('high')).tokens).toBe(1548);
    expect(() => ask('gemini-tiles', GEMINI_2, '9x9', at('ultra_high'))).toThrow(/not a level/);
    const levels = ['low', 'medium', 'high', 'ultra_high'] as const;
    expect(levels.map((level) => ask('gemini-budget', GEMINI_3, '9x9', at(level)).tokens)).toEqual([
      280, 560, 1120, 2240,
    ]);
  });
});

describe('Qwen (vendor: its own sample code)', () => {
  const qwen3 = {
    ...{ factor: 32, minPixels: 4 * 1024, maxPixels: 2560 * 1024, highMaxPixels: 16_384 * 1024 },
    ...{ arithmetic: 'python', maxAspectRatio: 200 },
  };

  it('shrinks to max_pixels, or to 16384 tokens with vl_high_resolution_images', () => {
    const count = (settings: Partial<TokenSettings>) =>
      ask('smart-resize', qwen3, '3840x2160', settings).tokens;
    expect(count({})).toBe(67 * 37);
    expect(count({ imageMaxTokens: 1280 })).toBe(47 * 26);
    expect(count({ mediaResolution: 'high' })).toBe(8160);
    expect(count({ mediaResolution: 'high', imageMaxTokens: 1280 })).toBe(8160);
  });
});

describe('no published rule', () => {
  const nova = { points: [{ width: 512, height: 512, tokens: 1314 }] };

  it('knows the sizes that were billed, and nothing of others', () => {
    expect(ask('measured', nova, '512x512').tokens).toBe(1314);
    expect(() => ask('measured', nova, '512x513')).toThrow(/publishes no rule/);
  });
});
