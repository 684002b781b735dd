import { describe, expect, it } from 'vitest';
import type { Workload } from '../../../src/match/types.ts';
import { NO_WISHES } from '../../../src/match/types.ts';
import { mediaSentences, videoOf, workloadGap } from '../../../src/match/media.ts';
import { requiredContext } from '../../../src/match/workload.ts';
import { describeProfile } from '../../../src/profiles/describe.ts';
import { findModel } from '../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../src/profiles/load.ts';

const { profiles } = await loadProfiles({ user: null, flag: null });
const model = (id: string) => describeProfile(findModel(profiles, id));
const EMPTY: Workload = {
  ...{ users: 1, images: null, audio: null, video: null },
  ...{ textTokens: 0, outputTokens: 0 },
};
const wishes = (workload: Partial<Workload>) => ({
  ...NO_WISHES,
  workload: { ...EMPTY, ...workload },
});
const HD = { count: 1, seconds: 10, width: 1280, height: 720 };

describe('the context of a workload', () => {
  const context = (id: string, workload: Partial<Workload>, engine?: 'vllm') => {
    const described = model(id);
    return requiredContext(described, described.text!, wishes(workload), engine);
  };

  it('holds the clips as each engine counts them', () => {
    const audio = { count: 5, seconds: 60 };
    expect(context('ultravox-8b', { audio: { count: 10, seconds: 60 } })).toBe(5610);
    expect(context('qwen2-audio-7b', { audio, textTokens: 100 })).toBe(5 * 2252 + 100);
    expect(context('qwen2.5-omni-7b', { audio: { count: 4, seconds: 60 } }, 'vllm')).toBe(6008);
  });

  it('holds the frames of a video', () => {
    // 21 pictures of 1198 tokens and their texts; 40 pictures of 258.
    expect(context('qwen2.5-vl-7b', { video: HD })).toBeGreaterThanOrEqual(25_158);
    expect(context('qwen2.5-vl-7b', { video: HD })).toBeLessThan(25_158 + 50);
    expect(context('gemma-3-4b', { video: HD })).toBeGreaterThanOrEqual(10_320);
    // transformers: 20 frames, joined to 10 of 720 tokens, one wrapper.
    expect(context('qwen2.5-vl-7b', { video: HD }, 'vllm')).toBe(7202);
  });
});

describe('what was counted', () => {
  it('is told with its rate', () => {
    const both = wishes({ audio: { count: 2, seconds: 30 }, video: HD });
    expect(mediaSentences(model('qwen2.5-omni-7b'), 'llama.cpp', both)).toEqual([
      '2 x 30 s of audio: 1502 tokens as llama.cpp counts',
      expect.stringMatching(/^10 s of video at 1280x720: 40 frames at 4 a second .* 21 pictures/),
    ]);
    expect(mediaSentences(model('gemma-3-4b'), 'llama.cpp', NO_WISHES)).toEqual([]);
  });

  it('is not guessed for an engine whose sampling is not known', () => {
    expect(videoOf(model('gemma-3-4b'), 'vllm', wishes({ video: HD }))).toBeNull();
    expect(videoOf(model('qwen3-vl-8b'), 'vllm', wishes({ video: HD }))).toBeNull();
  });
});

describe('a workload that a model has no sense for', () => {
  const audio = { count: 1, seconds: 30 };

  it.each([
    ['qwen2.5-vl-7b', { audio }, 'audio', /does not hear/],
    ['qwen2-audio-7b', { video: HD }, 'image', /does not see/],
    ['qwen2-audio-7b', { images: HD }, 'image', /does not see/],
  ] as const)('%s: %o', (id, workload, needs, why) => {
    const gap = workloadGap(model(id), 'llama.cpp', { ...EMPTY, ...workload });
    expect(gap).toMatchObject({ needs, why: expect.stringMatching(why) });
  });

  it('is one for another engine', () => {
    const video = { ...EMPTY, video: HD };
    expect(workloadGap(model('gemma-3-4b'), 'vllm', video)?.why).toMatch(/samples video/);
    const half = { ...model('qwen2.5-omni-7b'), audioTokens: {} };
    const partly = { ...half, audioTokens: { vllm: model('qwen2.5-omni-7b').audioTokens.vllm! } };
    const heard = { ...EMPTY, audio };
    expect(workloadGap(half, 'llama.cpp', heard)?.why).toMatch(/is not known here/);
    expect(workloadGap(partly, 'llama.cpp', heard)?.why).toMatch(/\(it is for vllm\)/);
  });

  it('is none for what it can take', () => {
    expect(workloadGap(model('qwen2.5-omni-7b'), 'llama.cpp', { ...EMPTY, audio })).toBeNull();
    expect(workloadGap(model('gemma-3-4b'), 'llama.cpp', null)).toBeNull();
  });
});
