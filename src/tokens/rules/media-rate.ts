import { z } from 'zod';
import { MmdeployError } from '../../errors.ts';
import type { TokenSettings } from '../settings.ts';

/** Tokens a second, with bounds where the vendor's documents disagree. */
export const rateSchema = z.strictObject({
  perSecond: z.number().positive(),
  low: z.number().positive().optional(),
  high: z.number().positive().optional(),
});

type Rate = z.output<typeof rateSchema>;

/** A film that costs a vendor's rate, its sound included, whatever its size. */
export const videoRateSchema = z.strictObject({
  default: rateSchema,
  low: rateSchema.optional().describe('at `--media-resolution low`; the default where left out'),
  medium: rateSchema.optional(),
  high: rateSchema.optional(),
  source: z.string().min(1),
});

type VideoRate = z.output<typeof videoRateSchema>;

type RateCount = {
  readonly tokens: number;
  readonly low: number;
  readonly high: number;
  readonly detail: string;
};

/** Tokens of a film of `seconds`. Throws `input.invalid` for a length that no film has. */
export function countVideo(
  rates: VideoRate,
  seconds: number,
  { mediaResolution }: TokenSettings,
): RateCount {
  const own =
    mediaResolution === null || mediaResolution === 'ultra_high'
      ? undefined
      : rates[mediaResolution];
  return countAtRate(own ?? rates.default, seconds);
}

/** Tokens of `seconds`, a started token counted. Throws `input.invalid`. */
export function countAtRate({ perSecond, low, high }: Rate, seconds: number): RateCount {
  checkSeconds(seconds);
  // 0.1 x 3 must not cost a token for its last binary digit.
  const tokens = (each: number) => Math.ceil(Math.round(each * seconds * 1e6) / 1e6);
  return {
    tokens: tokens(perSecond),
    low: tokens(low ?? perSecond),
    high: tokens(high ?? perSecond),
    detail: `${perSecond} tokens a second`,
  };
}

/** A week: longer clips are a slip of the keyboard. */
export const MAX_SECONDS = 604_800;

/** Refuses lengths nothing has: zero, negative, not a number. */
export function checkSeconds(seconds: number): number {
  if (seconds > 0 && seconds <= MAX_SECONDS) return seconds;
  throw new MmdeployError('input.invalid', `\`${seconds}\` s is not the length of a clip`, {
    hints: [
      `give seconds above zero, up to ${MAX_SECONDS}, as in \`mmdeploy estimate --audio 12.5s\``,
    ],
  });
}
