import { describe, expect, it } from 'vitest';
import type { EngineName } from '../../../src/contracts/basis.ts';
import type { EstimateInput } from '../../../src/contracts/estimate.ts';
import { countInputs } from '../../../src/estimate/count.ts';
import {
  parseAudioDescription,
  parseVideoDescription,
} from '../../../src/estimate/describe-input.ts';
import { describeProfile } from '../../../src/profiles/describe.ts';
import { findModel } from '../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../src/profiles/load.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../../src/tokens/settings.ts';

const { profiles } = await loadProfiles({ user: null, flag: null });

function counted(id: string, engine: EngineName, input: EstimateInput) {
  const description = describeProfile(findModel(profiles, id));
  const model = { id, engine, description, vocabulary: null, chatTemplate: null };
  return countInputs([input], model, DEFAULT_TOKEN_SETTINGS)[0]!;
}

describe('sound on engines of one’s own', () => {
  it.each([
    ['qwen2-audio-7b', 'llama.cpp', 752, 2],
    ['qwen2-audio-7b', 'vllm', 252, 2],
    ['ultravox-8b', 'llama.cpp', 187, 0],
    ['qwen3-omni-30b-a3b', 'llama.cpp', 145, 2],
    ['gemma-4-e4b', 'llama.cpp', 252, 2],
  ] as const)('%s on %s: 10 s are %i tokens', (id, engine, tokens, wrapper) => {
    const count = counted(id, engine, parseAudioDescription('10s'));
    expect(count).toMatchObject({ wrapper, refused: null, low: tokens, high: tokens });
    expect(count.item.tokens).toBe(tokens);
  });
});

describe('video on engines of one’s own', () => {
  const film = parseVideoDescription('10s@1280x720');

  it('is the frames of the engine, the texts between them from none to most', () => {
    const count = counted('qwen2.5-vl-7b', 'llama.cpp', film);
    expect(count).toMatchObject({ low: 25_158, wrapper: 42 });
    expect(count.high).toBeGreaterThan(count.low);
    expect(count.item.detail).toMatch(/40 frames at 4 a second/);
    expect(counted('qwen2.5-vl-7b', 'vllm', film)).toMatchObject({ low: 7202, high: 7202 });
  });

  it('is refused where nothing is known of it', () => {
    expect(counted('qwen2-audio-7b', 'llama.cpp', film).refused).toMatch(/takes no video/);
    expect(counted('qwen3-vl-8b', 'vllm', film).refused).toMatch(/not known here/);
  });
});
