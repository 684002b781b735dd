import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import type { Metadata } from '../../src/demo/tokenizer.ts';
import { readGgufHeader } from '../../src/gguf/read-file.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { describeGguf } from '../../src/layout/describe-gguf.ts';
import { imageRuleOf } from '../../src/layout/token-rule.ts';
import { VERIFIED } from '../../src/layout/verified.ts';
import { findTokenRule } from '../../src/tokens/rules/index.ts';
import type { TokenSettings } from '../../src/tokens/settings.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../src/tokens/settings.ts';
import { small } from '../helpers/encoders.ts';
import { engineCounts, exactnessSizes, picturePart } from '../helpers/exactness.ts';
import { startLlama } from '../helpers/llama.ts';
import { writeSmallPair } from '../helpers/small-pair.ts';

const llamaServer = inject('llamaServer');

const number = (key: string, value: number): Metadata => [[key, { type: 'uint32', value }]];
const edge = (value: number) => number('clip.vision.preproc_image_size', value);
const pinpoints = (value: readonly number[]): Metadata => [
  ['clip.vision.image_grid_pinpoints', { type: 'array', of: 'int32', value }],
];

/** Granite's tiles of 384: a row or a column of up to ten, and what ten hold between them. */
const pins = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].flatMap((rows) =>
  [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    .filter((columns) => columns * rows > 1 && columns * rows <= 10)
    .flatMap((columns) => [columns * 384, rows * 384]),
);
const grids = pinpoints(pins);

/** What decides the count is as published; the widths are small. */
const FAMILIES: [string, EncoderDims, Metadata?][] = [
  ['CogVLM', small({ projectorType: 'cogvlm', imageSize: 490 })],
  [
    'dots.ocr',
    small({ projectorType: 'dots_ocr', merge: 2, pixels: { least: 3136, most: 11289600 } }),
  ],
  ['Janus-Pro', small({ projectorType: 'janus_pro', patchSize: 16, imageSize: 384 })],
  ['Kimi-K2.5', small({ projectorType: 'kimik25', merge: 2 })],
  [
    'Nemotron Nano VL',
    small({ projectorType: 'nemotron_v2_vl', patchSize: 16, imageSize: 512, merge: 2 }),
  ],
  [
    'PaddleOCR-VL',
    small({ projectorType: 'paddleocr', merge: 2, pixels: { least: 147384, most: 2822400 } }),
  ],
  ['Phi-4 vision', small({ projectorType: 'phi4', pixels: { least: 50176, most: 705600 } })],
  [
    'DeepSeek-OCR',
    small({
      ...{ projectorType: 'deepseekocr', patchSize: 16, imageSize: 1024 },
      sam: { layers: 1, embedding: 64, heads: 2, window: 14 },
    }),
  ],
  ['Gemma 3', small({ projectorType: 'gemma3', imageSize: 896, merge: 4 })],
  ['Gemma 4', small({ projectorType: 'gemma4v', patchSize: 16, merge: 3, positions: 1024 })],
  [
    'Gemma 4 12B',
    small({
      ...{ projectorType: 'gemma4uv', patchSize: 16, merge: 3, positions: 1120 },
      ...{ layers: 0, heads: 0, feedForward: 0 },
    }),
  ],
  [
    'Gemma 3n',
    small({
      projectorType: 'gemma3nv',
      imageSize: 768,
      patchSize: 3,
      embedding: 2048,
      projectionDim: 2048,
    }),
  ],
  ['GLM-4.1V', small({ projectorType: 'glm4v', merge: 2 })],
  ['GLM-Edge-V', small({ projectorType: 'adapter', imageSize: 672, siglip: true })],
  [
    'Granite Vision 3.3',
    small({
      projectorType: 'mlp',
      layers: 4,
      imageSize: 384,
      siglip: true,
      featureLayers: [1, 2, 4],
    }),
    grids,
  ],
  ['Idefics3', small({ projectorType: 'idefics3', imageSize: 364, merge: 2 }), edge(1456)],
  ['InternVL', small({ projectorType: 'internvl', imageSize: 448, merge: 2 })],
  ['Kimi-VL', small({ projectorType: 'kimivl', imageSize: 896, merge: 2 })],
  ['LFM2-VL', small({ projectorType: 'lfm2', patchSize: 16, imageSize: 256, merge: 2 })],
  ['LightOnOCR', small({ projectorType: 'lightonocr', imageSize: 1540, merge: 2 }), edge(1540)],
  ['LLaVA 1.5', small({ projectorType: 'mlp' })],
  [
    'LLaVA 1.6',
    small({ projectorType: 'mlp' }),
    pinpoints([336, 672, 672, 336, 672, 672, 1008, 336, 336, 1008]),
  ],
  ['Llama 4', small({ projectorType: 'llama4', merge: 2, projectorHidden: 64 })],
  [
    'MiniCPM-V 2.5',
    small({ projectorType: 'resampler', imageSize: 448, positions: 4900, queries: 96 }),
    [['clip.minicpmv_version', { type: 'int32', value: 2 }]],
  ],
  [
    'MiniCPM-V 2.6',
    small({ projectorType: 'resampler', imageSize: 448, positions: 4900, queries: 64 }),
  ],
  [
    'MiniCPM-V 4.6',
    small({
      projectorType: 'minicpmv4_6',
      imageSize: 448,
      merge: 4,
      positions: 4900,
      mergerBlock: 0,
    }),
  ],
  [
    'MiniCPM-V 4.6, 4x',
    small({
      projectorType: 'minicpmv4_6',
      imageSize: 448,
      merge: 2,
      positions: 4900,
      mergerBlock: 0,
    }),
  ],
  ['MobileVLM', small({ projectorType: 'ldp' })],
  ['MobileVLM 2', small({ projectorType: 'ldpv2' })],
  ['Mistral Small 3', small({ projectorType: 'pixtral', imageSize: 1540, merge: 2 })],
  ['Pixtral', small({ projectorType: 'pixtral', patchSize: 16, imageSize: 1024 })],
  ['HunyuanOCR', small({ projectorType: 'hunyuanvl', patchSize: 16, merge: 2 })],
  ['Qwen2-VL', small({ projectorType: 'qwen2vl_merger', imageSize: 560, merge: 2 })],
  ['Qwen2.5-VL', small({ projectorType: 'qwen2.5vl_merger', imageSize: 560, merge: 2 })],
  ['Qwen3-VL', small({ projectorType: 'qwen3vl_merger', patchSize: 16, imageSize: 768, merge: 2 })],
  [
    'SmolVLM2',
    small({ projectorType: 'idefics3', patchSize: 16, imageSize: 512, merge: 4 }),
    edge(2048),
  ],
  [
    'SmolVLM of an older converter',
    small({ projectorType: 'idefics3', patchSize: 16, imageSize: 512, merge: 4 }),
  ],
  ['Step3-VL', small({ projectorType: 'step3vl', imageSize: 728, merge: 4 })],
  [
    'Youtu-VL',
    small({ projectorType: 'youtuvl', patchSize: 16, imageSize: 256, merge: 2, wholeBlocks: [0] }),
  ],
];

type Settings = Pick<TokenSettings, 'imageMinTokens' | 'imageMaxTokens' | 'ubatch'>;

/** Hunyuan's images have places in three dimensions: the engine aborts on a text model without them. */
const textArch = ({ projectorType }: EncoderDims) =>
  projectorType === 'hunyuanvl' ? 'qwen2vl' : 'llama';

/** How each family's server is started: as it is by default, then with limits of both kinds. */
const SETTINGS: readonly Settings[] = [
  { imageMinTokens: null, imageMaxTokens: null, ubatch: 2048 },
  { imageMinTokens: null, imageMaxTokens: 300, ubatch: 512 },
  { imageMinTokens: 500, imageMaxTokens: 1000, ubatch: 512 },
];

const flagsOf = ({ imageMinTokens, imageMaxTokens, ubatch }: Settings) => [
  ...(imageMinTokens === null ? [] : ['--image-min-tokens', `${imageMinTokens}`]),
  ...(imageMaxTokens === null ? [] : ['--image-max-tokens', `${imageMaxTokens}`]),
  ...(ubatch === null ? [] : ['-ub', `${ubatch}`]),
];

const CASES = FAMILIES.flatMap(([name, dims, more = []]) =>
  SETTINGS.map((settings) => ({ name, dims, more, settings, flags: flagsOf(settings).join(' ') })),
);

it('asks about every projector that is said to be exact', () => {
  const asked = new Set(FAMILIES.map(([, { projectorType }]) => projectorType));
  expect([...asked].sort()).toEqual([...VERIFIED.images].sort());
});

describe.skipIf(llamaServer === null)(
  'images in the real engine, by the keys of their file',
  () => {
    it.each(CASES)('$name, $flags', async ({ dims, more, settings, flags }) => {
      const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-family-'));
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      const { model, mmproj } = await writeSmallPair(folder, dims, more, null, textArch(dims));
      const header = readGgufHeader(mmproj);
      const described = describeGguf('small', readGgufHeader(model), header, imageRuleOf);
      const use = described.imageTokens['llama.cpp'];
      const rule = use === undefined ? undefined : findTokenRule(use.rule)?.bind(use.params);
      const args = ['-m', model, '--mmproj', mmproj, '-c', '32768', '-np', '1', '--no-warmup'];
      const llama = await startLlama(llamaServer ?? '', [...args, ...flags.split(' ')]);
      onTestFinished(llama.stop);

      const sizes = exactnessSizes();
      const engine = await engineCounts(
        llama,
        sizes.map((size) => () => picturePart(size)),
      );
      const wrapper = use?.wrapper.tokens ?? Number.NaN;
      const all = { ...DEFAULT_TOKEN_SETTINGS, ...settings };
      const differing = sizes.flatMap((size, index) => {
        const formula = (rule?.count(size, all).tokens ?? Number.NaN) + wrapper;
        return formula === engine[index] ? [] : [{ ...size, formula, engine: engine[index] }];
      });
      expect(differing).toEqual([]);
    });
  },
);
