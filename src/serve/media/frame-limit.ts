import type { ImageSize } from '../../tokens/rules/define.ts';
import { LLAMA_CPP_FPS } from '../../tokens/rules/video.ts';
import { GatewayError } from '../gateway/errors.ts';
import type { MediaLimits } from './limits.ts';
import { overLimit } from './limits.ts';
import type { MediaRules } from './rules.ts';

/** What a film is counted by. */
type FilmRules = Pick<MediaRules, 'filmTokens' | 'contextTokens'>;

/**
 * As many frames of this size as are served: what the length allows, and what fits into a slot. The engine
 * would read and resize all of a longer one before it says that it does not fit.
 */
export function mostFrames(size: ImageSize, maxSeconds: number, rules: FilmRules): number {
  const longest = Math.floor(maxSeconds * LLAMA_CPP_FPS);
  let [fits, over] = [0, longest + 1];
  while (over - fits > 1) {
    const middle = Math.floor((fits + over) / 2);
    if (fitsInSlot({ ...size, frames: middle }, rules)) fits = middle;
    else over = middle;
  }
  return fits;
}

function fitsInSlot(
  film: ImageSize & { readonly frames: number },
  { filmTokens, contextTokens }: FilmRules,
): boolean {
  if (contextTokens === null) return true;
  const tokens = filmTokens(film);
  return tokens === null || tokens.media + tokens.wrapper <= contextTokens;
}

/** 413 that names the limit which a film of more than `most` frames is over. */
export function tooManyFrames(
  place: string,
  { width, height }: ImageSize,
  most: number,
  { limits, rules }: { readonly limits: MediaLimits; readonly rules: FilmRules },
): GatewayError {
  const { maxVideoSeconds } = limits;
  if (most === Math.floor(maxVideoSeconds * LLAMA_CPP_FPS)) {
    const what = `more than ${maxVideoSeconds} s of film`;
    return overLimit(place, what, maxVideoSeconds, '--max-video-seconds');
  }
  const message = `\`${place}\` has more than ${most} frames of ${width}x${height}, ${LLAMA_CPP_FPS} a second: more than the ${rules.contextTokens ?? 0} tokens of a slot take: send a shorter or smaller film, or serve with a larger \`--context\` or a lower \`--image-max-tokens\``;
  return new GatewayError(413, 'media_too_large', message);
}
