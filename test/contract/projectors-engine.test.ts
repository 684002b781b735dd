import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Metadata } from '../../src/demo/tokenizer.ts';
import { readGgufHeader } from '../../src/gguf/read-file.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { describeGguf } from '../../src/layout/describe-gguf.ts';
import { imageRuleOf } from '../../src/layout/token-rule.ts';
import { findTokenRule } from '../../src/tokens/rules/index.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../src/tokens/settings.ts';
import type { RunningLlama } from '../helpers/llama.ts';
import { startLlama } from '../helpers/llama.ts';
import { writeSmallPair } from '../helpers/small-pair.ts';

const llamaServer = inject('llamaServer');

const small = (dims: Partial<EncoderDims> & { projectorType: string }): EncoderDims => ({
  layers: 1,
  embedding: 64,
  feedForward: 128,
  heads: 2,
  patchSize: 14,
  imageSize: 336,
  merge: 1,
  projectionDim: 128,
  ...dims,
});
const edge = (value: number): Metadata => [
  ['clip.vision.preproc_image_size', { type: 'uint32', value }],
];

/** Granite's tiles of 384: a row or a column of up to ten, and what ten hold between them. */
const pins = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].flatMap((rows) =>
  [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    .filter((columns) => columns * rows > 1 && columns * rows <= 10)
    .flatMap((columns) => [columns * 384, rows * 384]),
);
const grids: Metadata = [
  ['clip.vision.image_grid_pinpoints', { type: 'array', of: 'int32', value: pins }],
];

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
  ['Llama 4', small({ projectorType: 'llama4', merge: 2, projectorHidden: 64 })],
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
  ['Qwen3-VL', small({ projectorType: 'qwen3vl_merger', patchSize: 16, imageSize: 768, merge: 2 })],
  [
    'SmolVLM2',
    small({ projectorType: 'idefics3', patchSize: 16, imageSize: 512, merge: 4 }),
    edge(2048),
  ],
];

const SIZES = [
  ...['1x1', '27x29', '336x336', '337x336', '448x449', '640x480', '480x640', '1024x768'],
  ...['1280x720', '1920x1080', '1080x1920', '3840x2160', '2480x3508', '100x1600', '3000x100'],
];

async function billed(llama: RunningLlama, width: number, height: number): Promise<number> {
  const plain = sharp({ create: { width, height, channels: 3, background: '#246' } });
  const url = `data:image/png;base64,${(await plain.png().toBuffer()).toString('base64')}`;
  const image = { type: 'image_url', image_url: { url } };
  const count = async (images: number) => {
    const content = [...Array.from({ length: images }, () => image), { type: 'text', text: 'x' }];
    const body = { messages: [{ role: 'user', content }] };
    const answer = await llama.post('/v1/chat/completions/input_tokens', body);
    return (answer as { input_tokens: number }).input_tokens;
  };
  // With an SPM vocabulary the first image also splits the text around it.
  return (await count(2)) - (await count(1));
}

describe.skipIf(llamaServer === null).each(FAMILIES)(
  '%s in the real engine, by the keys of its file',
  (_, dims, more = []) => {
    const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-family-'));
    let llama: RunningLlama;
    let ours: (width: number, height: number) => number;

    beforeAll(async () => {
      const { model, mmproj } = await writeSmallPair(folder, dims, more);
      const header = readGgufHeader(mmproj);
      const described = describeGguf('small', readGgufHeader(model), header, imageRuleOf);
      const use = described.imageTokens['llama.cpp']!;
      const rule = findTokenRule(use.rule)!.bind(use.params);
      const settings = { ...DEFAULT_TOKEN_SETTINGS, ubatch: 2048 };
      ours = (width, height) => rule.count({ width, height }, settings).tokens + use.wrapper.tokens;
      const args = ['-m', model, '--mmproj', mmproj, '-c', '32768', '-np', '1', '-ub', '2048'];
      llama = await startLlama(llamaServer!, [...args, '--no-warmup']);
    });
    afterAll(async () => {
      await llama.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    it.each(SIZES)('counts %s as the engine bills it', async (size) => {
      const [width = 0, height = 0] = size.split('x').map(Number);
      expect(ours(width, height)).toBe(await billed(llama, width, height));
    });
  },
);
