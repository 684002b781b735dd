import type { EstimateInput, UnreadableInput } from '../contracts/estimate.ts';
import type { ChatPlace, Place } from './tally.ts';

/**
 * How inputs make requests: each file one, each line of a manifest one, or all of them one. A chat request
 * among them is one in any case.
 */
export const REQUEST_MODES = ['one', 'per-file', 'per-line'] as const;
export type RequestMode = (typeof REQUEST_MODES)[number];

/** One thing on the way from where it was found to the sums. */
export type Entry =
  | {
      readonly kind: 'input';
      readonly input: EstimateInput;
      readonly place: Place;
      /** Digest of the file's content, where duplicates are looked for. */
      readonly digest: string | null;
    }
  | { readonly kind: 'unreadable'; readonly entry: UnreadableInput; readonly order: number }
  | { readonly kind: 'file' }
  | { readonly kind: 'document' }
  | { readonly kind: 'hidden' };

/** Inputs that one file or line can bring, pages of a document above all. */
const PARTS = 1_000_000;

/**
 * Order of the `part`-th input of the `index`-th file, line or description among all of them: the same on
 * every machine that walks the same list, whatever its share of it.
 */
export function orderOf(index: number, part: number): number {
  return index * PARTS + Math.min(part, PARTS - 1);
}

export type Standing = {
  readonly index: number;
  readonly part: number;
  /** How many equal inputs it is. */
  readonly count: number;
  /** One of several inputs that a line of a manifest lists. */
  readonly ofLine: boolean;
  /** The chat request that it is part of, which is one whatever the mode. */
  readonly chat: ChatPlace | null;
};

/** Where an input stands, given how inputs make requests. What one file holds is always one request. */
export function placeOf(mode: RequestMode, { index, part, count, ofLine, chat }: Standing): Place {
  const order = orderOf(index, part);
  const together = orderOf(index, 0);
  if (chat !== null) return { order, request: together, copies: count, chat };
  if (mode === 'one') return { order, request: 0, copies: 1, shared: true };
  if (!ofLine) return { order, request: together, copies: count };
  return mode === 'per-line'
    ? { order, request: together, copies: 1 }
    : { order, request: order, copies: count };
}
