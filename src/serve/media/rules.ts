import type { ImageSize } from '../../tokens/rules/define.ts';
import type { MediaTokens } from '../seams.ts';
import type { ImageRule } from './shrink.ts';

/** What the served model takes, and how it counts it: made of its headers once, when the server starts. */
export type MediaRules = {
  /** null where it is not known how the model counts images: they are handed on at their own size. */
  readonly image: ImageRule | null;
  /** Throws `input.invalid` (MmdeployError) for what the model's own processor refuses. */
  readonly imageTokens: (size: ImageSize) => MediaTokens | null;
  /** A film that the engine itself takes apart: its pictures, their marks and the texts between them. */
  readonly filmTokens: (film: ImageSize & { readonly frames: number }) => MediaTokens | null;
  /** Tokens of one slot: a film that takes more is refused before its frames are made. null: unknown. */
  readonly contextTokens: number | null;
  /** `samples` at 16 kHz. */
  readonly audioTokens: (samples: number) => MediaTokens | null;
  /** Why the model takes no images, and which do; null when it sees. */
  readonly blind: string | null;
  /** The same of sound; null when it hears. */
  readonly deaf: string | null;
  /** The same for everything above that decides what becomes of a file. */
  readonly fingerprint: string;
};
