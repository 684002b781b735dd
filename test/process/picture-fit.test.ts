import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { readGgufHeader } from '../../src/gguf/read-file.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { describeGguf } from '../../src/layout/describe-gguf.ts';
import { imageRuleOf } from '../../src/layout/token-rule.ts';
import { shrunkSize, type ImageRule } from '../../src/serve/media/shrink.ts';
import type { ImageSize } from '../../src/tokens/rules/define.ts';
import { findTokenRule } from '../../src/tokens/rules/index.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../src/tokens/settings.ts';
import { small } from '../helpers/encoders.ts';
import { startLlama, type RunningLlama } from '../helpers/llama.ts';
import { noise, writeSmallPair } from '../helpers/small-pair.ts';

const llamaServer = inject('llamaServer');

/** Those whose pictures all become one square. */
const FAMILIES: readonly [string, EncoderDims][] = [
  ['CogVLM', small({ projectorType: 'cogvlm', imageSize: 490 })],
  ['Gemma 3', small({ projectorType: 'gemma3', imageSize: 896, merge: 4 })],
  ['GLM-Edge-V', small({ projectorType: 'adapter', imageSize: 672, siglip: true })],
  ['Janus-Pro', small({ projectorType: 'janus_pro', patchSize: 16, imageSize: 384 })],
  ['LLaVA 1.5', small({ projectorType: 'mlp' })],
  ['MobileVLM', small({ projectorType: 'ldp' })],
  ['MobileVLM 2', small({ projectorType: 'ldpv2' })],
  [
    'Nemotron Nano VL',
    small({ projectorType: 'nemotron_v2_vl', patchSize: 16, imageSize: 512, merge: 2 }),
  ],
];

const SIZES: readonly ImageSize[] = [
  { width: 4032, height: 3024 },
  { width: 3024, height: 4032 },
  { width: 1999, height: 1001 },
  { width: 1000, height: 1003 },
  { width: 40, height: 3000 },
];

/** How likely the engine holds the first words after a picture of one colour: of the same pixels the same. */
async function seen(llama: RunningLlama, { width, height }: ImageSize): Promise<unknown> {
  const create = { width, height, channels: 3, background: '#e0a040' } as const;
  const png = (await sharp({ create }).png().toBuffer()).toString('base64');
  const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } };
  const answer = await llama.post('/v1/chat/completions', {
    messages: [{ role: 'user', content: [image, { type: 'text', text: 'x' }] }],
    ...{ max_tokens: 1, temperature: 0, logprobs: true, top_logprobs: 8, cache_prompt: false },
  });
  const { choices } = answer as { choices: { logprobs: { content: unknown[] } }[] };
  return choices[0]?.logprobs.content[0];
}

function ruleIn(model: string, mmproj: string): ImageRule {
  const described = describeGguf(
    'small',
    readGgufHeader(model),
    readGgufHeader(mmproj),
    imageRuleOf,
  );
  const use = described.imageTokens['llama.cpp'];
  const rule = use && findTokenRule(use.rule)?.bind(use.params);
  if (rule === undefined) throw new Error('it has a rule');
  return { rule, settings: DEFAULT_TOKEN_SETTINGS };
}

describe.skipIf(llamaServer === null)('a smaller copy in the real engine', () => {
  it.each(FAMILIES)('is the same picture to %s, padded like it', async (_name, dims) => {
    const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-fit-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const { model, mmproj } = await writeSmallPair(folder, dims, [], noise);
    const args = ['-m', model, '--mmproj', mmproj, '-c', '8192', '-np', '1', '--no-warmup'];
    const llama = await startLlama(llamaServer ?? '', args);
    onTestFinished(llama.stop);
    const rule = ruleIn(model, mmproj);
    const side = dims.imageSize;
    const square = await seen(llama, { width: side, height: side });
    for (const size of SIZES) {
      const copy = shrunkSize(size, rule);
      expect(Math.max(copy.width, copy.height)).toBe(side);
      const picture = await seen(llama, size);
      expect(await seen(llama, copy)).toEqual(picture);
      if (copy.width !== copy.height) expect(picture).not.toEqual(square);
    }
  });
});
