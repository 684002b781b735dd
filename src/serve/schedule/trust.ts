import type { PromptUsage } from '../seams.ts';

/**
 * Where a prompt in a slot came from. Not every model can go on from each: one with a recurrent or a
 * sliding-window cache may have to evaluate all of it again, its images too.
 */
export type HeldBy =
  /** The same request, sent ahead. */
  | 'prime'
  /** An earlier request on this slot, which this one goes on with. */
  | 'slot'
  /** An earlier request on this slot with the same beginning: the engine has to go back first. */
  | 'branch'
  | 'file';

type Tally = { readonly hits: number; readonly misses: number };

/** What became of the hits that were promised, in one life of the engine. */
export type Trust = Readonly<Record<HeldBy, Tally>>;

const NONE: Tally = { hits: 0, misses: 0 };
export const FULL_TRUST: Trust = { prime: NONE, slot: NONE, branch: NONE, file: NONE };

/** A single miss may be the request's own (a template that changes with the date). */
const MISSES = 2;

/** Whether promises of this kind are kept more often than not. */
export function trusts(trust: Trust, heldBy: HeldBy): boolean {
  const { hits, misses } = trust[heldBy];
  return misses < MISSES || hits >= misses;
}

/** What the engine's count says of media that should have been in the slot: fewer cached tokens is a miss. */
export function wasHit(heldMediaTokens: number, usage: PromptUsage): boolean {
  return usage.cachedTokens >= heldMediaTokens;
}

export function withOutcome(trust: Trust, heldBy: HeldBy, hit: boolean): Trust {
  const { hits, misses } = trust[heldBy];
  return {
    ...trust,
    [heldBy]: hit ? { hits: hits + 1, misses } : { hits, misses: misses + 1 },
  };
}
