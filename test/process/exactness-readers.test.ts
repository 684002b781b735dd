import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { EstimateInput } from '../../src/contracts/estimate.ts';
import { createReader } from '../../src/estimate/read/index.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import type { RunningLlama } from '../helpers/llama.ts';
import { startLlama } from '../helpers/llama.ts';
import {
  adtsBytes,
  flacBytes,
  lameFrame,
  mp3Bytes,
  opusBytes,
  wavBytes,
} from '../helpers/media.ts';
import { writeSmallPair } from '../helpers/small-pair.ts';

const llamaServer = inject('llamaServer');

/** Counts what one more of a content part costs, in the answer to the same question. */
async function costOf(llama: RunningLlama, part: unknown): Promise<number> {
  const count = async (parts: number) => {
    const content = [...Array.from({ length: parts }, () => part), { type: 'text', text: 'x' }];
    const body = { messages: [{ role: 'user', content }] };
    const answer = await llama.post('/v1/chat/completions/input_tokens', body);
    return (answer as { input_tokens: number }).input_tokens;
  };
  return (await count(2)) - (await count(1));
}

const sound = (bytes: Buffer) => ({
  type: 'input_audio',
  input_audio: { data: bytes.toString('base64'), format: 'wav' },
});

const picture = (bytes: Buffer) => ({
  type: 'image_url',
  image_url: { url: `data:image/png;base64,${bytes.toString('base64')}` },
});

function startSmall(folder: string) {
  return async (dims: EncoderDims): Promise<RunningLlama> => {
    const { model, mmproj } = await writeSmallPair(folder, dims);
    const args = ['-m', model, '--mmproj', mmproj, '-c', '32768', '-np', '1', '--no-warmup'];
    return startLlama(llamaServer!, args);
  };
}

const heads = { embedding: 64, feedForward: 128, heads: 2, merge: 1, projectionDim: 128 };

describe.skipIf(llamaServer === null)('lengths of files as the real engine decodes them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-readers-'));
  let llama: RunningLlama;
  const { signal } = new AbortController();
  const run = () => Promise.reject(new Error('nothing is run'));
  const reader = createReader({ decode: false, pdfDpi: 150, run, signal });

  beforeAll(async () => {
    // A token for every started 640 samples: the shortest step there is.
    const dims = { projectorType: 'gemma4ua', layers: 0, patchSize: 0, imageSize: 0 };
    llama = await startSmall(folder)({ ...dims, ...heads, melBins: 640 });
  });
  afterAll(async () => {
    await llama.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const STEP = 640;
  /** One token before and one behind. */
  const WRAPPER = 2;

  async function both(name: string, bytes: Buffer) {
    const absolute = join(folder, name);
    writeFileSync(absolute, bytes);
    const [entry] = await reader.read({ path: name, absolute, bytes: bytes.length });
    const { samples16k } = entry as EstimateInput;
    const ours = Math.ceil((samples16k ?? Number.NaN) / STEP) + WRAPPER;
    return { ours, engine: await costOf(llama, sound(bytes)) };
  }

  const RATES = [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];

  it.each(RATES)('WAV and its resampling from %i Hz', async (rate) => {
    const step = (STEP * rate) / 16_000;
    for (const steps of [1, 13, 26]) {
      for (const off of [-2, -1, 0, 1, 2]) {
        const frames = Math.floor(steps * step) + off;
        const { ours, engine } = await both('a.wav', wavBytes({ frames, rate, channels: 2 }));
        expect(ours, `${frames} at ${rate} Hz`).toBe(engine);
      }
    }
  });

  it('MP3 of constant and of variable rate, with and without a word of its encoder', async () => {
    const rates = [32, 64, 128, 320] as const;
    for (let frames = 30; frames < 60; frames++) {
      const plain = mp3Bytes(frames);
      const variable = mp3Bytes(frames, (index) => rates[index % rates.length] ?? 64);
      const tagged = (delay: number, padding: number) =>
        Buffer.concat([lameFrame(frames, delay, padding), plain]);
      for (const bytes of [plain, variable, tagged(576, 1000), tagged(1105, 100), tagged(0, 0)]) {
        const { ours, engine } = await both('a.mp3', bytes);
        expect(ours, `${frames} frames, ${bytes.length} bytes`).toBe(engine);
      }
    }
  });

  it('an MP3 whose first frame promises more than there is', async () => {
    const { ours, engine } = await both(
      'a.mp3',
      Buffer.concat([lameFrame(80, 0, 0), mp3Bytes(40)]),
    );
    expect(ours).toBe(engine);
  });

  it('FLAC to the sample', async () => {
    for (const samples of [639, 640, 641, 16_640, 16_641, 50_001]) {
      const { ours, engine } = await both('a.flac', flacBytes(samples));
      expect(ours, String(samples)).toBe(engine);
    }
  });

  it('refuses what it has no decoder for', async () => {
    for (const bytes of [opusBytes(48_000), adtsBytes(100)]) {
      await expect(costOf(llama, sound(bytes))).rejects.toThrow(/Failed to load/);
    }
  });
});

describe.skipIf(llamaServer === null)('pictures in the real engine', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-readers-'));
  let llama: RunningLlama;

  beforeAll(async () => {
    const dims = { projectorType: 'qwen2vl_merger', layers: 1, patchSize: 14, imageSize: 560 };
    llama = await startSmall(folder)({ ...dims, ...heads, merge: 2 });
  });
  afterAll(async () => {
    await llama.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** `frames` pictures of 280 x 280, none like another. */
  const moving = (frames: number) => {
    const bytes = Buffer.from(
      Array.from({ length: 280 * 280 * frames * 3 }, (_, index) => (index * 7919) % 256),
    );
    const raw = { width: 280, height: 280 * frames, channels: 3 as const, pageHeight: 280 };
    return sharp(bytes, { raw });
  };

  it('an animated GIF is its first frame', async () => {
    const animation = await moving(5).gif().toBuffer();
    expect((await sharp(animation, { animated: true }).metadata()).pages).toBe(5);
    const still = await moving(1).gif().toBuffer();
    expect(await costOf(llama, picture(animation))).toBe(await costOf(llama, picture(still)));
  });

  it('one of 50,000 x 50,000 pixels is refused', async () => {
    const bytes = await moving(1).png().toBuffer();
    bytes.writeUInt32BE(50_000, 16);
    bytes.writeUInt32BE(50_000, 20);
    await expect(costOf(llama, picture(bytes))).rejects.toThrow(/Failed to load/);
  });
});
