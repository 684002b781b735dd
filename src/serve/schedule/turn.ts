import type { PromptUsage, Turn, TurnRequest } from '../seams.ts';
import type { EngineLife, Slot } from './engine-life.ts';
import type { Ready } from './ready-slot.ts';
import { neededPieces, tokensOf } from './slot-choice.ts';
import { wasHit } from './trust.ts';

export type GivenTurn = {
  readonly request: TurnRequest;
  readonly readied: Ready;
  readonly slot: Slot;
  readonly life: EngineLife;
  readonly queuedMs: number;
  readonly now: () => number;
  /** The gate or a slot has become free. */
  readonly changed: () => void;
  /** Resolves when the engine has let go of an abandoned request. */
  readonly settled: () => Promise<void>;
  /** A promised hit was none. */
  readonly missed: () => void;
  /** The engine went away, or a connection to it did. */
  readonly lost: () => void;
};

/** The right to run on a slot that was made ready, until its `end`. */
export function giveTurn(given: GivenTurn): Turn {
  const { request, readied, slot, life, now } = given;
  const startedAt = now();
  const needed = neededPieces(request.prefix);
  const allHeld = readied.heldBy !== null && needed > 0;
  let ended = false;
  const begun = () => {
    if (ended) return;
    life.begun(slot);
    given.changed();
  };
  const end = async (how: 'done' | 'aborted' | 'lost', usage?: PromptUsage) => {
    if (ended) return;
    ended = true;
    if (allHeld && usage !== undefined) learn(given, usage);
    if (how === 'done') life.measure('turnMs', now() - startedAt);
    // The words behind the media may or may not have been evaluated: they cost little.
    if (how === 'aborted') await given.settled();
    if (how === 'lost') given.lost();
    const whole =
      how === 'done' && (readied.heldBy !== null || needed === 0 || usage !== undefined);
    const kept = whole
      ? request.prefix
      : how === 'lost' || !allHeld
        ? []
        : request.prefix.slice(0, needed);
    life.free(slot, kept);
    given.changed();
  };
  return {
    slot: slot.id,
    held: readied.held,
    media: readied.encodeMs === null && allHeld ? 'kv' : 'none',
    queuedMs: given.queuedMs,
    encodeMs: readied.encodeMs,
    begun,
    end: (how, usage) => void end(how, usage),
  };
}

/** Compares what the slot should have held with what the engine says it found there. */
function learn({ request, readied, life, missed }: GivenTurn, usage: PromptUsage): void {
  const { heldBy } = readied;
  if (heldBy === null) return;
  const hit = wasHit(tokensOf(request.prefix, 'media'), usage);
  life.outcome(heldBy, hit);
  if (!hit) missed();
}
