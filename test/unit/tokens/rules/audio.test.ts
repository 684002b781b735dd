import { describe, expect, it } from 'vitest';
import { countAudio } from '../../../../src/tokens/rules/audio.ts';

/** llama.cpp b11118's own code was run for these lengths. */
describe('countAudio', () => {
  const qwen2 = { rule: 'audio-chunks', tokensPerChunk: 750 } as const;
  const qwen3 = { rule: 'audio-windows', tokensPerStep: 13 } as const;

  it.each([
    [1, 750],
    [10, 750],
    [29.98, 750],
    [29.99, 1500],
    [30, 1500],
    [60, 2250],
    [95, 3000],
  ])('%d s in chunks of 30 s: %i', (seconds, tokens) => {
    expect(countAudio(qwen2, seconds)).toBe(tokens);
  });

  it.each([
    [1, 26],
    [10, 143],
    [30, 403],
    [60, 793],
  ])('%d s in windows of 8 s: %i', (seconds, tokens) => {
    expect(countAudio(qwen3, seconds)).toBe(tokens);
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuses %d s', (seconds) => {
    expect(() => countAudio(qwen2, seconds)).toThrow(
      expect.objectContaining({ code: 'input.invalid' }),
    );
  });
});
