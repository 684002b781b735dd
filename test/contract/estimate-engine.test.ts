import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { encoderMetadata } from '../../src/demo/encoder-metadata.ts';
import { textMetadata } from '../../src/demo/metadata.ts';
import type { Metadata } from '../../src/demo/tokenizer.ts';
import { DEMO_VOCABULARY, demoTokenizer } from '../../src/demo/tokenizer.ts';
import { writeGguf } from '../../src/gguf/write-file.ts';
import { encoderModel, textModel } from '../../src/layout/model.ts';
import type { TokenRuleUse } from '../../src/contracts/model.ts';
import { findModel } from '../../src/profiles/layers.ts';
import { loadProfiles } from '../../src/profiles/load.ts';
import { findTokenRule } from '../../src/tokens/rules/index.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../src/tokens/settings.ts';
import type { RunningLlama } from '../helpers/llama.ts';
import { startLlama } from '../helpers/llama.ts';

const llamaServer = inject('llamaServer');
const { profiles } = await loadProfiles({ user: null, flag: null });

const WIDTH = 64;
/** What decides the count is as in the real projector; the widths are small, so that it loads at once. */
const FAMILIES = [
  { id: 'internvl2-26b', arch: 'internlm2', rmsNorm: true },
  { id: 'qwen2.5-vl-7b', arch: 'qwen2vl', rmsNorm: true },
] as const;

const SIZES = [
  [1, 1],
  [27, 29],
  [336, 336],
  [448, 448],
  [449, 448],
  [640, 480],
  [480, 640],
  [1023, 767],
  [1280, 720],
  [720, 1280],
  [1920, 1080],
  [1080, 1920],
  [3840, 2160],
  [2480, 3508],
  [3000, 100],
  [100, 3000],
  [1000, 3],
] as const;

async function writeSmall(
  id: string,
  arch: string,
  rmsNorm: boolean,
  folder: string,
  more: Metadata = [],
) {
  const { vision } = findModel(profiles, id);
  const text = textModel(
    {
      arch,
      layers: 1,
      embedding: WIDTH,
      heads: 2,
      kvHeads: 2,
      headSize: WIDTH / 2,
      feedForward: 2 * WIDTH,
      vocabulary: DEMO_VOCABULARY.length,
      tiedEmbeddings: false,
      qkvBias: arch === 'qwen2vl',
    },
    32768,
  );
  const encoder = encoderModel({
    projectorType: vision!.projector,
    layers: 1,
    embedding: WIDTH,
    feedForward: 2 * WIDTH,
    heads: 2,
    patchSize: vision!.patchSize,
    imageSize: vision!.imageSize,
    merge: vision!.merge,
    projectionDim: WIDTH,
    rmsNorm,
  });
  const files = { model: join(folder, `${id}.gguf`), mmproj: join(folder, `${id}-mmproj.gguf`) };
  const metadata = [...textMetadata(id, text), ...demoTokenizer()];
  await writeGguf(files.model, { metadata, tensors: text.tensors }, null);
  const projector = {
    metadata: [...encoderMetadata(id, encoder!), ...more],
    tensors: encoder!.tensors,
  };
  await writeGguf(files.mmproj, projector, null);
  return files;
}

function startSmall({ model, mmproj }: { readonly model: string; readonly mmproj: string }) {
  const args = ['-m', model, '--mmproj', mmproj, '-c', '32768', '-np', '1', '--no-warmup'];
  return startLlama(llamaServer!, args);
}

async function picture(width: number, height: number, orientation?: number): Promise<string> {
  const plain = sharp({ create: { width, height, channels: 3, background: '#246' } });
  const bytes =
    orientation === undefined
      ? await plain.png().toBuffer()
      : await plain.withMetadata({ orientation }).jpeg().toBuffer();
  const type = orientation === undefined ? 'png' : 'jpeg';
  return `data:image/${type};base64,${bytes.toString('base64')}`;
}

/** Tokens of one image among two: with an SPM vocabulary the first also splits the text around it. */
async function billed(llama: RunningLlama, url: string): Promise<number> {
  const count = async (images: number) => {
    const image = { type: 'image_url', image_url: { url } };
    const content = [...Array.from({ length: images }, () => image), { type: 'text', text: 'x' }];
    const body = { messages: [{ role: 'user', content }] };
    const answer = await llama.post('/v1/chat/completions/input_tokens', body);
    return (answer as { input_tokens: number }).input_tokens;
  };
  return (await count(2)) - (await count(1));
}

describe.skipIf(llamaServer === null).each(FAMILIES)('$id in the real engine', (family) => {
  const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-small-'));
  const use = findModel(profiles, family.id).imageTokens['llama.cpp'] as TokenRuleUse;
  const rule = findTokenRule(use.rule)!.bind(use.params);
  let llama: RunningLlama;

  beforeAll(async () => {
    llama = await startSmall(await writeSmall(family.id, family.arch, family.rmsNorm, folder));
  });
  afterAll(async () => {
    await llama.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(SIZES)('counts %ix%i as the engine bills it', async (width, height) => {
    const ours = rule.count({ width, height }, DEFAULT_TOKEN_SETTINGS).tokens + use.wrapper.tokens;
    expect(ours).toBe(await billed(llama, await picture(width, height)));
  });
});

describe.skipIf(llamaServer === null)('a LLaVA with grids of its own in the real engine', () => {
  // Two tiles side by side or three below one another: which way a picture stands shows in its tokens.
  const rule = findTokenRule('llava-uhd')!.bind({
    imageSize: 336,
    patchSize: 14,
    grids: [
      { columns: 2, rows: 1 },
      { columns: 1, rows: 3 },
    ],
  });
  const pins: Metadata = [
    [
      'clip.vision.image_grid_pinpoints',
      { type: 'array', of: 'int32', value: [672, 336, 336, 1008] },
    ],
  ];
  const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-small-'));
  let llama: RunningLlama;

  beforeAll(async () => {
    llama = await startSmall(await writeSmall('llava-1.5-7b', 'llama', false, folder, pins));
  });
  afterAll(async () => {
    await llama.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const count = (width: number, height: number) =>
    rule.count({ width, height }, DEFAULT_TOKEN_SETTINGS).tokens;

  it.each(SIZES)('counts %ix%i as the engine bills it', async (width, height) => {
    expect(count(width, height)).toBe(await billed(llama, await picture(width, height)));
  });

  it('sees a picture that EXIF turns as it is stored', async () => {
    expect(count(1280, 600)).not.toBe(count(600, 1280));
    expect(await billed(llama, await picture(1280, 600, 6))).toBe(count(1280, 600));
  });
});
