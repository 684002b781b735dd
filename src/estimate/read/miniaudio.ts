import { SAMPLE_RATE } from '../../tokens/rules/audio.ts';
import type { Mp3Head } from './mp3-head.ts';

/**
 * How many samples llama.cpp has after it decoded a sound. It decodes with miniaudio, which counts its
 * output before it resamples; tried on llama-server build 11669 with lengths to the sample.
 */

/** Rounded down, but one more for rates that are a multiple: miniaudio has quotient and remainder in each other's place. */
export function resampled(samples: number, rate: number): number {
  if (rate === SAMPLE_RATE) return samples;
  const count = Math.floor((samples * SAMPLE_RATE) / rate);
  const consumed =
    count * (rate % SAMPLE_RATE) +
    Math.floor((count * Math.floor(rate / SAMPLE_RATE)) / SAMPLE_RATE);
  return consumed <= samples ? count + 1 : count;
}

/** An MP3 decoder's own delay, which dr_mp3 adds to the encoder's and takes off its padding. */
const DECODER_DELAY = 529;

/** Samples of an MP3 before they are resampled: as its first frame says, whether they are there or not. */
export function mp3Samples({ frames, samplesPerFrame, lame }: Mp3Head, there: number): number {
  const all = frames === null ? there : frames * samplesPerFrame;
  if (lame === null) return all;
  const cut = lame.delay + DECODER_DELAY + Math.max(0, lame.padding - DECODER_DELAY);
  return Math.max(0, all - cut);
}
