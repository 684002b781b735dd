import { describe, expect, it } from 'vitest';
import type { tokenRules } from '../../../../src/tokens/rules/index.ts';
import { findTokenRule } from '../../../../src/tokens/rules/index.ts';
import type { TokenSettings } from '../../../../src/tokens/settings.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../../../src/tokens/settings.ts';

/**
 * Tokens without wrappers for eight sizes. `run`: llama.cpp b11118's own preprocessing code was run;
 * `server`: llama-server build 11669 counted a small synthetic model of the family; `vendor`: printed
 * by the vendor; `rule`: worked out once by hand or by the processor's code from the rule.
 */
const SIZES = [
  '336x336',
  '640x480',
  '1024x768',
  '1280x720',
  '1920x1080',
  '3840x2160',
  '1080x1920',
  '2480x3508',
] as const;

type Case = {
  readonly family: string;
  readonly how: 'run' | 'server' | 'vendor' | 'rule';
  readonly rule: keyof typeof tokenRules;
  readonly params: Readonly<Record<string, unknown>>;
  readonly settings?: Partial<TokenSettings>;
  readonly tokens: readonly number[];
};

const cell = (factor: number, min: number, max: number) => ({
  factor,
  minPixels: min * factor * factor,
  maxPixels: max * factor * factor,
});
const c = 'c-float32';
const PINS_16 = [
  { columns: 1, rows: 2 },
  { columns: 2, rows: 1 },
  { columns: 2, rows: 2 },
  { columns: 3, rows: 1 },
  { columns: 1, rows: 3 },
];
const GRIDS_3X3 = [1, 2, 3]
  .flatMap((columns) => [1, 2, 3].map((rows) => ({ columns, rows })))
  .filter(({ columns, rows }) => columns * rows > 1);

const CASES: readonly Case[] = [
  {
    family: 'LLaVA-1.5, llama.cpp',
    how: 'server',
    rule: 'fixed-grid',
    params: { imageSize: 336, patchSize: 14 },
    tokens: [576, 576, 576, 576, 576, 576, 576, 576],
  },
  {
    family: 'Gemma 3, llama.cpp',
    how: 'run',
    rule: 'fixed-grid',
    params: { imageSize: 896, patchSize: 14, merge: 4 },
    tokens: [256, 256, 256, 256, 256, 256, 256, 256],
  },
  {
    family: 'Qwen-VL-Chat, vLLM',
    how: 'rule',
    rule: 'fixed',
    params: { tokens: 256, imageSize: 448 },
    tokens: [256, 256, 256, 256, 256, 256, 256, 256],
  },
  {
    family: 'Qwen2-VL and 2.5-VL, llama.cpp',
    how: 'run',
    rule: 'smart-resize',
    params: { ...cell(28, 8, 4096), arithmetic: c },
    tokens: [144, 391, 999, 1196, 2691, 4080, 2691, 4028],
  },
  {
    family: 'Qwen2-VL and 2.5-VL, transformers',
    how: 'rule',
    rule: 'smart-resize',
    params: { factor: 28, minPixels: 3136, maxPixels: 12845056, arithmetic: 'python' },
    tokens: [144, 391, 999, 1196, 2691, 10549, 2691, 11125],
  },
  {
    family: 'Qwen2.5-VL, transformers with max_pixels of 1280 tokens',
    how: 'rule',
    rule: 'smart-resize',
    params: { factor: 28, minPixels: 3136, maxPixels: 12845056, arithmetic: 'python' },
    settings: { imageMaxTokens: 1280 },
    tokens: [144, 391, 999, 1196, 1222, 1222, 1222, 1260],
  },
  {
    family: 'Qwen3-VL, llama.cpp',
    how: 'server',
    rule: 'smart-resize',
    params: { ...cell(32, 8, 4096), arithmetic: c },
    tokens: [121, 300, 768, 920, 2040, 4080, 2040, 4028],
  },
  {
    family: 'Qwen3-VL, transformers',
    how: 'rule',
    rule: 'smart-resize',
    params: { factor: 32, minPixels: 65536, maxPixels: 16777216, arithmetic: 'python' },
    tokens: [100, 300, 768, 880, 2040, 8160, 2040, 8580],
  },
  {
    family: 'Pixtral, llama.cpp',
    how: 'run',
    rule: 'smart-resize',
    params: { ...cell(16, 8, 1024), arithmetic: c, rowBreaks: true },
    tokens: [461, 998, 998, 1031, 1031, 1031, 1049, 1025],
  },
  {
    family: 'Pixtral with --image-max-tokens 4096',
    how: 'run',
    rule: 'smart-resize',
    params: { ...cell(16, 8, 1024), arithmetic: c, rowBreaks: true },
    settings: { imageMaxTokens: 4096 },
    tokens: [461, 1229, 3119, 3644, 4127, 4127, 4164, 4103],
  },
  {
    family: 'Mistral Small 3, llama.cpp',
    how: 'server',
    rule: 'smart-resize',
    params: { ...cell(28, 8, 1024), arithmetic: c, rowBreaks: true },
    tokens: [155, 407, 1025, 1031, 1031, 1031, 1049, 1025],
  },
  {
    family: 'Gemma 4, llama.cpp',
    how: 'run',
    rule: 'smart-resize',
    params: { ...cell(48, 70, 1120), arithmetic: c, ubatchCaps: true },
    tokens: [81, 130, 336, 405, 920, 1100, 920, 1092],
  },
  {
    family: 'Gemma 4 with --ubatch-size 512',
    how: 'run',
    rule: 'smart-resize',
    params: { ...cell(48, 70, 1120), arithmetic: c, ubatchCaps: true },
    settings: { ubatch: 512 },
    tokens: [81, 130, 336, 405, 480, 480, 480, 494],
  },
  {
    family: 'InternVL, llama.cpp',
    how: 'server',
    rule: 'internvl-effective',
    params: { imageSize: 448, patchSize: 14, merge: 2, minTiles: 1, maxTiles: 12 },
    tokens: [256, 1280, 1792, 1792, 3328, 3328, 3328, 3328],
  },
  {
    family: 'InternVL, transformers and vLLM',
    how: 'rule',
    rule: 'internvl-aspect',
    params: { imageSize: 448, tokensPerTile: 256, minTiles: 1, maxTiles: 12, thumbnail: true },
    tokens: [256, 3328, 3328, 2304, 2304, 2304, 2304, 1792],
  },
  {
    family: 'LLaVA-1.6, llama.cpp',
    how: 'run',
    rule: 'llava-uhd',
    params: { imageSize: 336, patchSize: 14, grids: PINS_16 },
    tokens: [576, 2880, 2880, 2880, 2880, 2880, 2880, 2880],
  },
  {
    family: 'Llama 4, llama.cpp',
    how: 'run',
    rule: 'llava-uhd',
    params: { imageSize: 336, patchSize: 14, merge: 2, grids: GRIDS_3X3 },
    tokens: [144, 720, 1440, 1008, 1008, 1008, 1008, 1440],
  },
  {
    family: 'Kimi-VL, llama.cpp',
    how: 'run',
    rule: 'smart-resize',
    params: { ...cell(28, 8, 1024), arithmetic: c },
    tokens: [144, 391, 999, 1008, 1008, 1008, 1008, 988],
  },
  {
    family: 'GLM-4.1V, llama.cpp',
    how: 'run',
    rule: 'smart-resize',
    params: { ...cell(28, 8, 4096), arithmetic: c },
    tokens: [144, 391, 999, 1196, 2691, 4080, 2691, 4028],
  },
  {
    // The overview's wrapper of 2 is the caller's.
    family: 'MiniCPM-V 2.6, llama.cpp',
    how: 'server',
    rule: 'minicpm',
    params: { sliceSize: 448, queries: 64 },
    tokens: [64, 196, 329, 461, 593, 593, 595, 595],
  },
  {
    family: 'SmolVLM2 500M, llama.cpp',
    how: 'run',
    rule: 'idefics',
    params: { tileSize: 512, patchSize: 16, merge: 4, longestEdge: 2048 },
    tokens: [1127, 862, 862, 862, 862, 862, 863, 863],
  },
  {
    family: 'Idefics3 8B, llama.cpp',
    how: 'run',
    rule: 'idefics',
    params: { tileSize: 364, patchSize: 14, merge: 2, longestEdge: 1456 },
    tokens: [2912, 2227, 2227, 2227, 2227, 2227, 2228, 2228],
  },
  {
    family: 'Pixtral, transformers',
    how: 'rule',
    rule: 'longest-edge',
    params: { longestEdge: 1024, factor: 16 },
    tokens: [461, 1229, 3119, 2339, 2339, 2339, 2367, 3007],
  },
  {
    family: 'Mistral Small 3.1 and Ministral 3, transformers',
    how: 'rule',
    rule: 'longest-edge',
    params: { longestEdge: 1540, factor: 28 },
    tokens: [155, 431, 1063, 1221, 1735, 1735, 1759, 2199],
  },
  {
    family: 'Gemma 4, transformers',
    how: 'rule',
    rule: 'pixel-budget',
    params: { factor: 48, budget: 280 },
    tokens: [256, 266, 266, 264, 264, 264, 264, 266],
  },
  {
    family: 'Kimi-VL, vLLM',
    how: 'rule',
    rule: 'patch-limit',
    params: { patchSize: 14, merge: 2, maxPatches: 4096 },
    tokens: [144, 414, 1036, 1075, 1032, 1032, 1032, 1053],
  },
  {
    family: 'Phi-4-multimodal, vLLM',
    how: 'rule',
    rule: 'dynamic-hd',
    params: { cropSize: 448, patchSize: 14, maxCrops: 36 },
    tokens: [545, 1065, 1681, 1596, 3918, 7392, 3953, 9345],
  },
  {
    family: 'Phi-4-multimodal with 16 crops, vLLM',
    how: 'rule',
    rule: 'dynamic-hd',
    params: { cropSize: 448, patchSize: 14, maxCrops: 16 },
    tokens: [545, 1065, 1681, 1596, 3918, 3918, 3953, 1791],
  },
  {
    family: 'Molmo, vLLM',
    how: 'rule',
    rule: 'overlap-crops',
    params: { cropSize: 336, patchSize: 14, margin: 4, pool: 2, maxCrops: 12 },
    tokens: [316, 740, 1196, 1196, 1196, 1196, 1204, 1204],
  },
  {
    // Begin and end of the image are the caller's.
    family: 'LFM2-VL, llama.cpp',
    how: 'run',
    rule: 'lfm2',
    params: {
      factor: 32,
      patchSize: 16,
      minTokens: 64,
      maxTokens: 256,
      tileSize: 512,
      minTiles: 2,
      maxTiles: 10,
      tolerance: 2,
    },
    tokens: [121, 234, 1777, 767, 2309, 2309, 2309, 1790],
  },
  {
    family: 'DeepSeek-OCR, llama.cpp',
    how: 'run',
    rule: 'deepseek-ocr',
    params: {
      globalSide: 16,
      tileSize: 640,
      tileSide: 10,
      newlines: true,
      minTiles: 2,
      maxTiles: 9,
    },
    tokens: [273, 273, 893, 483, 1093, 1093, 1113, 903],
  },
  {
    family: 'DeepSeek-OCR 2, llama.cpp',
    how: 'run',
    rule: 'deepseek-ocr',
    params: {
      globalSide: 16,
      tileSize: 768,
      tileSide: 12,
      newlines: false,
      minTiles: 2,
      maxTiles: 6,
    },
    tokens: [257, 257, 1121, 545, 545, 545, 545, 1121],
  },
  {
    family: 'Step3-VL, without its two marks',
    how: 'run',
    rule: 'window-crops',
    params: { imageSize: 728, cropSize: 504, cell: 56, longestEdge: 3024 },
    tokens: [169, 169, 502, 668, 834, 2164, 836, 2664],
  },
  {
    family: 'Youtu-VL, without its two marks',
    how: 'run',
    rule: 'scale-steps',
    params: { factor: 32, merge: 2, maxTokens: 62_500 },
    tokens: [121, 300, 768, 920, 2040, 8160, 2040, 8580],
  },
  {
    family: 'Muse, without its two marks',
    how: 'run',
    rule: 'nearest-cells',
    params: { factor: 28, maxTokens: 4096 },
    tokens: [144, 391, 972, 1196, 2691, 4080, 2691, 4028],
  },
  {
    family: 'Granite 4 Vision, without its newline',
    how: 'run',
    rule: 'anyres',
    params: {
      ...{ imageSize: 384, patchSize: 16, tileSide: 12, arithmetic: 'c-float32' },
      grids: Array.from({ length: 100 }, (_, at) => ({
        columns: (at % 10) + 1,
        rows: Math.floor(at / 10) + 1,
      })).filter(({ columns, rows }) => columns * rows <= 10),
    },
    tokens: [300, 594, 936, 1176, 1176, 1176, 1194, 1116],
  },
  {
    family: 'DeepSeek-V4, the middle of its range',
    how: 'run',
    rule: 'aligned-block',
    params: { patchSize: 14, merge: 3, minPixels: 0 },
    tokens: [74, 206, 354, 366, 366, 366, 362, 354].map((least) => least + 2),
  },
  {
    family: 'LLaVA-NeXT, transformers',
    how: 'rule',
    rule: 'anyres',
    params: { imageSize: 336, patchSize: 14, grids: PINS_16 },
    tokens: [1176, 2340, 2340, 1948, 1948, 1948, 1968, 2256],
  },
  {
    family: 'GPT-4V, GPT-4 Turbo, GPT-4o',
    how: 'rule',
    rule: 'openai-tile',
    params: { base: 85, tile: 170 },
    tokens: [255, 425, 765, 1105, 1105, 1105, 1105, 1105],
  },
  {
    family: 'GPT-4o mini',
    how: 'rule',
    rule: 'openai-tile',
    params: { base: 2833, tile: 5667 },
    tokens: [8500, 14167, 25501, 36835, 36835, 36835, 36835, 36835],
  },
  {
    family: 'GPT-5, GPT-5.1',
    how: 'rule',
    rule: 'openai-tile',
    params: { base: 70, tile: 140 },
    tokens: [210, 350, 630, 910, 910, 910, 910, 910],
  },
  {
    family: 'o1, o3',
    how: 'rule',
    rule: 'openai-tile',
    params: { base: 75, tile: 150 },
    tokens: [225, 375, 675, 975, 975, 975, 975, 975],
  },
];

const sizeOf = (text: string) => {
  const [width = Number.NaN, height = Number.NaN] = text.split('x').map(Number);
  return { width, height };
};
const bind = (id: string, params: unknown) => findTokenRule(id)!.bind(params);

describe.each(CASES)('$family ($how)', ({ rule, params, settings, tokens }) => {
  it.each(SIZES.map((size, index) => ({ size, expected: tokens[index] })))(
    '$size costs $expected tokens',
    ({ size, expected }) => {
      const use = { ...DEFAULT_TOKEN_SETTINGS, ...settings };
      expect(bind(rule, params).count(sizeOf(size), use).tokens).toBe(expected);
    },
  );
});

describe('single figures', () => {
  const count = (
    id: string,
    params: unknown,
    size: string,
    settings: Partial<TokenSettings> = {},
  ) => bind(id, params).count(sizeOf(size), { ...DEFAULT_TOKEN_SETTINGS, ...settings }).tokens;
  const qwen = { ...cell(28, 8, 4096), arithmetic: c };
  const gpt4o = { base: 85, tile: 170 };

  it('lifts small images with --image-min-tokens 1024 (37x28 cells, run)', () => {
    expect(count('smart-resize', qwen, '640x480', { imageMinTokens: 1024 })).toBe(37 * 28);
  });

  it.each([
    ['1024x1024', 765],
    ['2048x4096', 1105],
    ['4096x8192', 1105],
  ])('agrees with the vendor on %s', (size, tokens) => {
    expect(count('openai-tile', gpt4o, size)).toBe(tokens);
  });

  it('costs the base alone in low detail, and as much in auto as in high', () => {
    expect(count('openai-tile', gpt4o, '4096x8192', { detail: 'low' })).toBe(85);
    expect(count('openai-tile', gpt4o, '1024x1024', { detail: 'auto' })).toBe(765);
    expect(count('openai-tile', gpt4o, '1024x1024', { detail: 'high' })).toBe(765);
    expect(() => count('openai-tile', gpt4o, '9x9', { detail: 'original' })).toThrow(/original/);
  });

  it('refuses what the processor of the model refuses', () => {
    const strict = { ...qwen, arithmetic: 'python', maxAspectRatio: 200 };
    expect(count('smart-resize', strict, '200x1')).toBeGreaterThan(0);
    expect(() => count('smart-resize', strict, '201x1')).toThrow(/aspect ratio 201/);
  });
});
