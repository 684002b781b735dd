import { describe, expect, it } from 'vitest';
import type { EncoderModel } from '../../../../src/contracts/model.ts';
import { audioRuleOf } from '../../../../src/layout/audio-rule.ts';
import { audioFrames } from '../../../../src/tokens/rules/audio.ts';

const ears = (projectorType: string, more: Partial<EncoderModel> = {}): EncoderModel => ({
  ...{ projectorType, layers: 1, embedding: 64, feedForward: 128, heads: 2, patchSize: 0 },
  ...{ imageSize: 0, merge: 1, projectionDim: 128, melBins: 128, tensors: [] },
  ...more,
});

const count = (encoder: EncoderModel, seconds: number) =>
  audioFrames.bind(audioRuleOf(encoder, 'mmproj.gguf')!.params).count(seconds).tokens;

/** As llama-server 11669 counts them; the first ends it. */
describe('clips of a few frames', () => {
  it('are refused where the engine does not survive them', () => {
    expect(() => count(ears('lfm2a'), 0.01)).toThrow('takes no clip below 0.02 s');
    expect(count(ears('lfm2a'), 0.02)).toBe(1);
  });

  it('cost Gemma 4 a token, as does the rest after a whole piece', () => {
    expect(count(ears('gemma4a'), 0.01)).toBe(1);
    expect(count(ears('gemma4a'), 30.01)).toBe(751);
  });
});

/** llama.cpp b11118's own preprocessing was run for these lengths. */
describe('audio tokens of llama.cpp', () => {
  it.each([
    [1, 750],
    [10, 750],
    [29.98, 750],
    [29.99, 1500],
    [30, 1500],
    [60, 2250],
    [95, 3000],
  ])('qwen2a, %d s: %i', (seconds, tokens) => {
    expect(count(ears('qwen2a'), seconds)).toBe(tokens);
  });

  it.each([
    [10, 187],
    [60, 561],
  ])('ultravox and voxtral, %d s: %i', (seconds, tokens) => {
    expect(count(ears('ultravox', { stack: 8 }), seconds)).toBe(tokens);
    expect(count(ears('voxtral', { stack: 4 }), seconds)).toBe(tokens);
  });

  it.each([
    [1, 26],
    [10, 143],
    [30, 403],
    [60, 793],
  ])('qwen3a, %d s: %i', (seconds, tokens) => {
    expect(count(ears('qwen3a'), seconds)).toBe(tokens);
  });

  it.each([
    [1, 25],
    [10, 250],
    [60, 1500],
  ])('gemma4a, %d s: %i', (seconds, tokens) => {
    expect(count(ears('gemma4a'), seconds)).toBe(tokens);
  });

  it.each([
    ['granite_speech', 10, 102],
    ['granite_speech', 60, 600],
    ['lfm2a', 10, 126],
    ['lfm2a', 60, 751],
    ['gemma4ua', 10, 250],
  ] as const)('%s, %d s: %i', (projector, seconds, tokens) => {
    expect(count(ears(projector), seconds)).toBe(tokens);
  });

  it('come from the ears of a file with eyes', () => {
    const both = { ...ears('qwen3vl_merger'), audio: ears('qwen3a') };
    const { melBins, ...eyes } = both;
    expect(melBins).toBe(128);
    expect(count(eyes, 10)).toBe(143);
    expect(audioRuleOf(eyes, 'x')?.source).toBe('qwen3a projector of x');
  });

  it('are not guessed for a projector whose rule is not known', () => {
    expect(audioRuleOf(ears('mimo_audio'), 'x')).toBeNull();
  });
});

describe('audio-frames', () => {
  const rule = (params: Readonly<Record<string, number>>) => audioFrames.bind(params);

  it('cuts what is beyond the longest clip', () => {
    const truncating = rule({ stack: 4, maxSeconds: 30 });
    expect(truncating.count(30).tokens).toBe(750);
    expect(truncating.count(95)).toEqual({ tokens: 750, detail: '3001 frames of the first 30 s' });
  });

  it('counts each piece alone', () => {
    const pieces = rule({ padding: -160, group: 16, chunkSeconds: 30 });
    expect(pieces.count(60)).toEqual({ tokens: 376, detail: '2 pieces of up to 30 s' });
    expect(pieces.count(61).tokens).toBe(376 + 7);
  });

  it('gives a group that is not full its own share', () => {
    const blocks = rule({ padding: -1, group: 100, tokens: 13, stepsPerToken: 8 });
    expect(blocks.count(10).tokens).toBe(130);
    expect(blocks.count(10.1).tokens).toBe(132);
  });

  it('adds a frame for a step of the hop and never goes below none', () => {
    expect(rule({ hop: 640, padding: -1 }).count(0.04).tokens).toBe(1);
    expect(rule({ hop: 640, padding: -1 }).count(0.0401).tokens).toBe(2);
    expect(rule({ padding: -161 }).count(0.001).tokens).toBe(0);
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 604_801])('refuses %d s', (seconds) => {
    expect(() => rule({}).count(seconds)).toThrow(
      expect.objectContaining({ code: 'input.invalid' }),
    );
  });

  it('refuses a parameter it does not know', () => {
    expect(() => rule({ hops: 160 })).toThrow();
  });
});
