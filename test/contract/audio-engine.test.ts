import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { readGgufHeader } from '../../src/gguf/read-file.ts';
import { audioRuleOf } from '../../src/layout/audio-rule.ts';
import { encoderFromGguf } from '../../src/layout/describe-encoder.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { audioFrames } from '../../src/tokens/rules/audio.ts';
import type { RunningLlama } from '../helpers/llama.ts';
import { startLlama } from '../helpers/llama.ts';
import { writeSmallPair } from '../helpers/small-pair.ts';

const llamaServer = inject('llamaServer');
const RATE = 16_000;

const small = (projectorType: string, stack?: number): EncoderDims => ({
  ...{ projectorType, layers: 1, embedding: 64, feedForward: 128, heads: 2 },
  ...{ patchSize: 0, imageSize: 0, merge: 1, projectionDim: 128, melBins: 128 },
  ...(stack !== undefined && { stack }),
});

/** Every projector of the engine whose rule is known and whose file can be made here. */
const TOWERS = [
  small('qwen2a'),
  small('ultravox', 8),
  small('voxtral', 4),
  small('musicflamingo'),
  small('glma', 4),
  small('meralion', 15),
  { ...small('qwen3a'), channels: 16 },
  // The engine takes its positions to be 512 wide.
  { ...small('lfm2a'), embedding: 512, heads: 8, channels: 16, positions: 1500 },
  small('gemma4a'),
  { ...small('gemma4ua'), layers: 0, melBins: 640 },
];

/** Silence of `seconds` as a mono 16-bit WAV file. */
function silence(seconds: number): string {
  const samples = Math.round(seconds * RATE);
  const wav = Buffer.alloc(44 + 2 * samples);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + 2 * samples, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(RATE, 24);
  wav.writeUInt32LE(2 * RATE, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(2 * samples, 40);
  return wav.toString('base64');
}

async function billed(llama: RunningLlama, seconds: number): Promise<number> {
  const clip = { type: 'input_audio', input_audio: { data: silence(seconds), format: 'wav' } };
  const count = async (clips: number) => {
    const content = [...Array.from({ length: clips }, () => clip), { type: 'text', text: 'x' }];
    const body = { messages: [{ role: 'user', content }] };
    const answer = await llama.post('/v1/chat/completions/input_tokens', body);
    return (answer as { input_tokens: number }).input_tokens;
  };
  return (await count(2)) - (await count(1));
}

describe.skipIf(llamaServer === null).each(TOWERS)('$projectorType in the real engine', (dims) => {
  const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-audio-'));
  let llama: RunningLlama;
  let ours: (seconds: number) => number;

  beforeAll(async () => {
    const { model, mmproj } = await writeSmallPair(folder, dims);
    const use = audioRuleOf(encoderFromGguf(readGgufHeader(mmproj)), mmproj)!;
    const rule = audioFrames.bind(use.params);
    ours = (seconds) => rule.count(seconds).tokens + use.wrapper.tokens;
    const args = ['-m', model, '--mmproj', mmproj, '-c', '32768', '-np', '1', '--no-warmup'];
    llama = await startLlama(llamaServer!, args);
  });
  afterAll(async () => {
    await llama.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([0.5, 1, 10, 29.98, 29.985, 29.99, 30, 31.7, 60, 95])('counts %d s', async (seconds) => {
    expect(ours(seconds)).toBe(await billed(llama, seconds));
  });
});
