import type { MediaLimits } from './limits.ts';
import type { Pixels } from './decode-picture.ts';
import { encodePicture } from './decode-picture.ts';
import type { Gate } from './gate.ts';
import type { MediaRules } from './rules.ts';
import type { MediaMeta } from './types.ts';
import type { DecodeThread } from './worker/decode-thread.ts';

/** A medium as a client sent it, before anything is known of it. */
export type SentFile = {
  /** For errors. */
  readonly place: string;
  readonly bytes: Buffer;
};

/** What the makers of pictures, pages, sounds and frames work with. */
export type Workshop = {
  readonly rules: MediaRules;
  readonly limits: MediaLimits;
  /** Weighed in pixels. */
  readonly gate: Gate;
  readonly thread: DecodeThread;
  /** The program's name or path; it need not be there. */
  readonly ffmpeg: string;
  /** The engine reads films: else it gets their frames as pictures. */
  readonly films: boolean;
  readonly signal: AbortSignal;
};

/** One result: what its key is made of, and the file for the engine. */
export type Made = {
  readonly meta: MediaMeta;
  /** Pixels or samples; of a film the file, which holds its pixels as they are. */
  readonly samples: Uint8Array;
  readonly encode: () => Promise<Uint8Array>;
};

export function madePicture(pixels: Pixels): Made {
  const { width, height, rgb } = pixels;
  return {
    meta: { kind: 'image', format: 'png', width, height },
    samples: rgb,
    encode: () => encodePicture(pixels),
  };
}
