import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { monoWav } from '../../src/wav.ts';
import type { TokenRuleUse } from '../../src/contracts/model.ts';
import { readGgufHeader } from '../../src/gguf/read-file.ts';
import { audioRuleOf } from '../../src/layout/audio-rule.ts';
import { encoderFromGguf } from '../../src/layout/describe-encoder.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { VERIFIED } from '../../src/layout/verified.ts';
import { audioFrames } from '../../src/tokens/rules/audio.ts';
import { engineCounts, fixedDraws } from '../helpers/exactness.ts';
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

const samplesOf = (seconds: number) => Math.round(seconds * RATE);

const silence = (seconds: number): string => monoWav(samplesOf(seconds), RATE).toString('base64');

function clipPart(seconds: number) {
  return { type: 'input_audio', input_audio: { data: silence(seconds), format: 'wav' } };
}

/** The ends of the engine's own chunks, and thirty lengths drawn from a hundredth of a second to 100 s. */
function clipLengths(): readonly number[] {
  const draw = fixedDraws(20_261_123);
  const odd = [0.01, 0.02, 0.1, 0.5, 1, 7.99, 8, 10, 15, 29.97, 29.98, 29.985, 29.99, 30, 30.01];
  const drawn = Array.from({ length: 30 }, () => Math.exp(draw() * Math.log(10_000)) / 100);
  return [...odd, 31.7, 59.99, 60, 95, ...drawn].map((seconds) => samplesOf(seconds) / RATE);
}

/** What a rule refuses would end the engine: LFM2-Audio's aborts on a clip of one frame. */
function isRefused(use: TokenRuleUse | null, seconds: number): boolean {
  return seconds * RATE < Number(use?.params['minSamples'] ?? 0);
}

it('asks about every projector that is said to be exact', () => {
  const asked = TOWERS.map(({ projectorType }) => projectorType);
  expect(asked.sort()).toEqual([...VERIFIED.sounds].sort());
});

describe.skipIf(llamaServer === null)('clips in the real engine, by the keys of their file', () => {
  it.each(TOWERS)('$projectorType', async (dims) => {
    const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-audio-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const { model, mmproj } = await writeSmallPair(folder, dims);
    const use = audioRuleOf(encoderFromGguf(readGgufHeader(mmproj)), mmproj);
    const rule = use === null ? null : audioFrames.bind(use.params);
    const args = ['-m', model, '--mmproj', mmproj, '-c', '32768', '-np', '1', '--no-warmup'];
    const llama = await startLlama(llamaServer ?? '', args);
    onTestFinished(llama.stop);

    const lengths = clipLengths().filter((seconds) => !isRefused(use, seconds));
    const engine = await engineCounts(
      llama,
      lengths.map((seconds) => () => Promise.resolve(clipPart(seconds))),
    );
    const wrapper = use?.wrapper.tokens ?? Number.NaN;
    const differing = lengths.flatMap((seconds, index) => {
      const formula = (rule?.count(seconds).tokens ?? Number.NaN) + wrapper;
      return formula === engine[index] ? [] : [{ seconds, formula, engine: engine[index] }];
    });
    expect(differing).toEqual([]);
  });
});
