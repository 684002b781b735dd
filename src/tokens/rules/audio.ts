import { z } from 'zod';
import { MmdeployError } from '../../errors.ts';
import { MAX_SECONDS, checkSeconds, countAtRate, rateSchema } from './media-rate.ts';

/** Nearly every engine brings a clip to this rate before it counts. */
export const SAMPLE_RATE = 16_000;
const positive = z.int().positive();

/**
 * How an engine counts a clip: frames of the wave, joined to steps, of which started groups cost tokens.
 * One formula for all: the encoders differ in hop, padding and stride only.
 */
const audioFramesParams = z.strictObject({
  sampleRate: positive
    .default(SAMPLE_RATE)
    .describe('samples a second that the clip is brought to first'),
  hop: positive.default(160).describe('samples from one frame to the next'),
  padding: z
    .int()
    .default(0)
    .describe('samples added before frames are counted; negative: a window that has to be full'),
  stack: positive.default(1).describe('frames of one step; a rest is dropped'),
  group: positive.default(1).describe('steps of a group; a started group counts'),
  tokens: positive.default(1).describe('of a group'),
  stepsPerToken: positive
    .optional()
    .describe('a group that is not full costs one token for so many started steps'),
  chunkSeconds: positive.optional().describe('a clip is cut first, each piece counted alone'),
  leastTokens: positive.optional().describe('a piece, however short, costs so many'),
  minSamples: positive
    .optional()
    .describe('a shorter clip is refused: the engine does not survive it'),
  maxSeconds: positive.optional().describe('what is beyond is cut off'),
});

type AudioFrames = z.output<typeof audioFramesParams>;

/** What a clip costs, without its wrapper. */
export type AudioCount = {
  readonly tokens: number;
  /** Bounds, where a vendor's own documents disagree; both are `tokens` where left out. */
  readonly low?: number;
  readonly high?: number;
  readonly detail: string;
};

export type BoundAudioRule = {
  readonly id: string;
  /** Throws `input.invalid` for a length that no clip has. */
  readonly count: (seconds: number) => AudioCount;
};

export const audioFrames = {
  id: 'audio-frames',
  params: audioFramesParams,
  /** Throws a ZodError when `params` do not fit the rule's schema. */
  bind: (input: unknown): BoundAudioRule => {
    const params = audioFramesParams.parse(input);
    return { id: 'audio-frames', count: (seconds) => countAudio(params, seconds) };
  },
};

/** A vendor's rate: tokens a second, a started token counted. */
export const audioRate = {
  id: 'audio-rate',
  params: rateSchema,
  bind: (input: unknown): BoundAudioRule => {
    const rate = rateSchema.parse(input);
    return { id: 'audio-rate', count: (seconds) => countAtRate(rate, seconds) };
  },
};

/** The rule called `id`, or null. */
export function findAudioRule(id: string): { bind(params: unknown): BoundAudioRule } | null {
  return [audioFrames, audioRate].find((rule) => rule.id === id) ?? null;
}

function countAudio(params: AudioFrames, seconds: number): AudioCount {
  const { chunkSeconds, sampleRate, maxSeconds = MAX_SECONDS } = params;
  const all = Math.round(checkSeconds(seconds) * sampleRate);
  refuseShort(all, params);
  const samples = Math.min(all, maxSeconds * sampleRate);
  const cut = samples < all ? ` of the first ${maxSeconds} s` : '';
  if (chunkSeconds === undefined) {
    const tokens = piece(params, samples);
    return { tokens, detail: `${frames(params, samples)} frames${cut}` };
  }
  const chunk = chunkSeconds * sampleRate;
  const whole = Math.floor(samples / chunk);
  const rest = samples - whole * chunk;
  const tokens = whole * piece(params, chunk) + (rest === 0 ? 0 : piece(params, rest));
  return { tokens, detail: `${whole + Math.sign(rest)} pieces of up to ${chunkSeconds} s${cut}` };
}

function refuseShort(samples: number, { minSamples = 0, sampleRate }: AudioFrames): void {
  if (samples >= minSamples) return;
  throw new MmdeployError(
    'input.invalid',
    `the engine takes no clip below ${minSamples / sampleRate} s; this one has ${samples} samples`,
    {
      hints: [`leave it out, or pad it: \`mmdeploy estimate --audio ${minSamples / sampleRate}s\``],
    },
  );
}

function frames({ hop, padding }: AudioFrames, samples: number): number {
  return Math.max(0, Math.floor((samples + padding) / hop) + 1);
}

function piece(params: AudioFrames, samples: number): number {
  const { stack, group, tokens, stepsPerToken, leastTokens = 0 } = params;
  const steps = Math.floor(frames(params, samples) / stack);
  if (stepsPerToken === undefined) {
    return Math.max(leastTokens, Math.ceil(steps / group) * tokens);
  }
  const rest = Math.ceil((steps % group) / stepsPerToken);
  return Math.max(leastTokens, Math.floor(steps / group) * tokens + rest);
}
