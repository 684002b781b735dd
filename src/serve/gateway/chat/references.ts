import type { MediaTokens } from '../../seams.ts';
import { monoWav } from '../../../wav.ts';
import type { References } from './seen.ts';

/** A grey square of 64 x 64 pixels: 108 bytes of PNG, large enough for every family's patches. */
const GREY_SQUARE =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAABAAQMAAACQp+OdAAAAA1BMVEWIiIhYZW6zAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAAD0lEQVQokWNgGAWjgHwAAAJAAAFgVTVqAAAAAElFTkSuQmCC';
const GREY_SQUARE_SIDE = 64;

/** A second at 16 kHz: no family's encoder is too short of it. */
const SILENCE_SAMPLES = 16_000;

/**
 * The tiny media that stand in the place of others when the engine's count is checked, with what the
 * model's rules say of them. null where there is no rule, or it refuses something so small.
 */
export function makeReferences(rules: {
  readonly imageTokens: (size: {
    readonly width: number;
    readonly height: number;
  }) => MediaTokens | null;
  readonly audioTokens: (samples: number) => MediaTokens | null;
}): References {
  const square = { width: GREY_SQUARE_SIDE, height: GREY_SQUARE_SIDE };
  const image = orNull(() => rules.imageTokens(square));
  const audio = orNull(() => rules.audioTokens(SILENCE_SAMPLES));
  const silence = () =>
    `data:audio/wav;base64,${monoWav(SILENCE_SAMPLES, SILENCE_SAMPLES).toString('base64')}`;
  return {
    image: image === null ? null : { url: GREY_SQUARE, tokens: image },
    audio: audio === null ? null : { url: silence(), tokens: audio },
  };
}

function orNull(count: () => MediaTokens | null): MediaTokens | null {
  try {
    return count();
  } catch {
    // The model's own processor refuses it; requests are then compared with the same without media.
    return null;
  }
}
