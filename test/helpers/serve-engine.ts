import { join } from 'node:path';
import sharp from 'sharp';
import { inject } from 'vitest';
import { writeDemoModel } from '../../src/demo/model.ts';
import { DEFAULT_MAX_BODY_BYTES } from '../../src/serve/gateway/gateway.ts';
import {
  DEFAULT_PIPELINE,
  type PipelineSettings,
  type ServedModel,
} from '../../src/workflows/serve-pipeline.ts';
import type { ServeRequest } from '../../src/workflows/start-serving.ts';
import { temporaryFolder } from './serve-supervisor.ts';

/** The real llama-server; empty where there is none (such tests are skipped). */
export const REAL_ENGINE = inject('llamaServer') ?? '';

/** The demo model's rule: 24 x 24 patches an image, no marks around it. */
const RULES: ServedModel['rules'] = {
  image: null,
  imageTokens: () => ({ media: 576, wrapper: 0, confidence: 'exact' }),
  filmTokens: () => null,
  contextTokens: 4096,
  audioTokens: () => null,
  blind: null,
  deaf: 'the demo model takes no sound',
  fingerprint: 'demo',
};

export const DEMO_MODEL: ServedModel = {
  rules: RULES,
  rulesWith: () => RULES,
  slots: 1,
  // Two layers, two KV heads of 16, K and V in F16.
  kvBytesPerToken: 256,
};

export const PIPELINE: PipelineSettings = {
  ...DEFAULT_PIPELINE,
  maxBodyBytes: DEFAULT_MAX_BODY_BYTES,
};

/** Arguments of a llama-server with the demo model; room for `slots` images at once. */
export async function demoArgs(slots = 1): Promise<readonly string[]> {
  const { model, mmproj } = await writeDemoModel(join(temporaryFolder(), 'demo'));
  const sizes = ['-c', String(4096 * slots), '-np', String(slots), '-ngl', '0', '-fit', 'off'];
  return ['-m', model, '--mmproj', mmproj, ...sizes, '--sse-ping-interval', '1'];
}

export async function demoRequest(overrides: Partial<ServeRequest> = {}): Promise<ServeRequest> {
  return {
    argv: await demoArgs(),
    log: { file: null, level: 'silent' },
    media: { cacheDir: temporaryFolder(), maxBytes: 64_000_000, engineReadsFiles: true },
    enginePath: REAL_ENGINE,
    modelId: 'demo',
    host: '127.0.0.1',
    port: 0,
    apiKeyFile: null,
    corsOrigins: [],
    imageEngine: null,
    engineLog: null,
    readyTimeoutMs: 60_000,
    drainMs: 5000,
    pipeline: PIPELINE,
    command: null,
    ...overrides,
  };
}

/** A picture of its own for each seed, encoded as `format`. */
export function picture(seed: number, format: 'png' | 'jpeg' | 'webp' = 'png'): Promise<Buffer> {
  const [width, height] = [40 + seed, 30];
  const pixels = Uint8Array.from(
    Array.from({ length: width * height * 3 }, (_, index) => (index * (seed + 7)) % 256),
  );
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .toFormat(format)
    .toBuffer();
}

export async function imagePart(seed: number) {
  const url = `data:image/png;base64,${(await picture(seed)).toString('base64')}`;
  return { type: 'image_url' as const, image_url: { url } };
}
