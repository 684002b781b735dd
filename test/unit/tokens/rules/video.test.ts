import { describe, expect, it } from 'vitest';
import { sampleForLlamaCpp, sampleForQwen } from '../../../../src/tokens/rules/video.ts';

describe('video as llama.cpp samples it', () => {
  // Worked out by hand: a picture of the first frame, then pairs up to each timestamp.
  it.each([
    [10, 40, 21],
    [5, 20, 11],
    [5.25, 21, 11],
    [5.5, 22, 12],
    [0.2, 1, 1],
    // ffmpeg's filter leaves none of it, as the running engine shows.
    [0.1, 0, 0],
  ])('%d s: %i frames, joined to %i pictures', (seconds, frames, pictures) => {
    expect(sampleForLlamaCpp(seconds, true)).toMatchObject({ frames, pictures });
    expect(sampleForLlamaCpp(seconds, false)).toMatchObject({ frames, pictures: frames });
  });

  it('has a timestamp in each five seconds', () => {
    const texts = (seconds: number) => sampleForLlamaCpp(seconds, false).texts;
    expect(texts(4.9)).toEqual(['Video:', '[0m0.00s]']);
    expect(texts(70).slice(-2)).toEqual(['[1m0.00s]', '[1m5.00s]']);
    expect(texts(0.1)).toEqual(['Video:']);
  });
});

describe("video as Qwen's processor samples it", () => {
  it.each([
    [10, 20, 10],
    [10.9, 20, 10],
    [0.2, 2, 1],
  ])('%d s: %i frames, joined to %i', (seconds, frames, pictures) => {
    expect(sampleForQwen(seconds)).toEqual({ frames, pictures, texts: [], textTokens: 0 });
  });
});
