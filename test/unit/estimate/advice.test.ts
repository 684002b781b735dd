import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EngineName } from '../../../src/contracts/basis.ts';
import type { EstimateInput } from '../../../src/contracts/estimate.ts';
import { adviceFor } from '../../../src/estimate/advice.ts';
import type { CountedModel } from '../../../src/estimate/count.ts';
import { countInputs } from '../../../src/estimate/count.ts';
import {
  parseAudioDescription,
  parseImageDescription,
} from '../../../src/estimate/describe-input.ts';
import { SizeTally, mergeSizes } from '../../../src/estimate/size-tally.ts';
import { describeProfile } from '../../../src/profiles/describe.ts';
import { findModel } from '../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../src/profiles/load.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../../src/tokens/settings.ts';

const { profiles } = await loadProfiles({ user: null, flag: null });
const settings = { ...DEFAULT_TOKEN_SETTINGS, ubatch: 512 };

function model(name: string, engine: EngineName): CountedModel {
  const description = describeProfile(findModel(profiles, name));
  return { id: description.id, engine, description, vocabulary: null, chatTemplate: null };
}

function adviceOn(name: string, engine: EngineName, inputs: readonly EstimateInput[]) {
  const tally = new SizeTally();
  for (const input of inputs) tally.add(input);
  const price = { model: name, input: 2, output: 8, asOf: '2026-11-01', source: 'x' };
  return adviceFor({ model: model(name, engine), settings, price }, tally.state());
}

const tokens = (name: string, engine: EngineName, size: string, changes = {}) =>
  countInputs([parseImageDescription(size)], model(name, engine), { ...settings, ...changes })[0]
    ?.item.tokens ?? 0;

describe('advice', () => {
  it('finds sound that just begins another chunk', () => {
    const clips = [parseAudioDescription('30s*10'), parseAudioDescription('12s*90')];
    expect(adviceOn('ultravox-8b', 'llama.cpp', clips)).toEqual([
      {
        kind: 'trim-audio',
        text: 'clips of 30.00 s just begin another chunk: trim 0.02 s, 374 -> 187 tokens each',
        inputs: 10,
        savedTokens: 1870,
        savedUsd: 0.00374,
      },
    ]);
    expect(adviceOn('ultravox-8b', 'llama.cpp', [parseAudioDescription('29.5s')])).toEqual([]);
  });

  it('finds a smaller picture that is cut into fewer tiles, and only one that saves', () => {
    const [advice] = adviceOn('internvl2-26b', 'llama.cpp', [
      parseImageDescription('1920x1080*500'),
    ]);
    const saved =
      tokens('internvl2-26b', 'llama.cpp', '1920x1080') -
      tokens('internvl2-26b', 'llama.cpp', '1536x864');
    expect(advice).toMatchObject({ kind: 'shrink-image', inputs: 500, savedTokens: saved * 500 });
    expect(advice?.text).toContain('1920x1080 to 1536x864, 3,330 -> 2,306');
    // The issue's own example, by the rule itself.
    expect(tokens('internvl2-26b', 'llama.cpp', '1024x768') - 2).toBe(1792);
    // A model with a fixed count has nothing to save.
    expect(adviceOn('llava-1.5-7b', 'llama.cpp', [parseImageDescription('1920x1080')])).toEqual([]);
  });

  it('names the options of vendor and engine, dearest first', () => {
    const photos = [parseImageDescription('1920x1080*10'), parseImageDescription('640x480*5')];
    const openai = adviceOn('gpt-4o', 'api', photos);
    expect(openai.map(({ kind }) => kind)).toEqual(['detail-low', 'shrink-image']);
    expect(openai[0]).toMatchObject({ inputs: 15, savedTokens: 10 * (1105 - 85) + 5 * (425 - 85) });
    const [capped] = adviceOn('qwen2.5-vl-7b', 'llama.cpp', photos);
    const now = tokens('qwen2.5-vl-7b', 'llama.cpp', '1920x1080');
    const then = tokens('qwen2.5-vl-7b', 'llama.cpp', '1920x1080', { imageMaxTokens: 1024 });
    expect(capped).toMatchObject({
      kind: 'image-max-tokens',
      inputs: 10,
      savedTokens: 10 * (now - then),
    });
  });
});

describe('sizes', () => {
  it('are the same however the inputs are ordered and cut into parts, also where there are too many', () => {
    const size = fc.integer({ min: 1, max: 9000 });
    fc.assert(
      fc.property(
        fc.array(size, { minLength: 6000, maxLength: 7000 }),
        fc.integer({ min: 1, max: 7 }),
        (sides, n) => {
          const tallies = Array.from({ length: n }, () => new SizeTally());
          const whole = new SizeTally();
          sides.forEach((side, index) => {
            const input = { ...parseImageDescription('8x8'), width: side };
            whole.add(input);
            tallies[index % n]?.add(input);
          });
          const reversed = mergeSizes(tallies.map((tally) => tally.state()).reverse());
          expect(reversed).toEqual(whole.state());
          expect(reversed.complete).toBe(new Set(sides).size <= 2000);
          expect(reversed.sizes.length).toBeLessThanOrEqual(2000);
          for (const { width, count } of reversed.sizes) {
            expect(count).toBe(sides.filter((side) => side === width).length);
          }
        },
      ),
      { numRuns: 5 },
    );
  });
});
