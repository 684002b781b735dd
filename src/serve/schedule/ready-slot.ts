import type { Pool } from 'undici';
import type { TurnRequest } from '../seams.ts';
import type { EngineLife, Slot } from './engine-life.ts';
import type { EngineSlots } from './engine-slots.ts';
import { neededPieces, tokensOf, type Run } from './slot-choice.ts';
import type { SlotFiles } from './slot-files.ts';
import type { HeldBy } from './trust.ts';

export type SlotTools = {
  readonly engineSlots: EngineSlots;
  /** null: none are written. */
  readonly files: SlotFiles | null;
  /** Milliseconds that only grow. */
  readonly now: () => number;
};

/** What a slot holds for a request. */
export type Ready = {
  readonly kind: 'ready';
  readonly held: number;
  /** Where the media in it came from; null: there are none, or not all of them are. */
  readonly heldBy: HeldBy | null;
  /** null: nothing was encoded ahead. */
  readonly encodeMs: number | null;
};

export type Readied =
  | Ready
  /** The slot file was of no use: to be decided anew. */
  | { readonly kind: 'again' }
  /** Another tenant's prompt could not be removed from the slot. */
  | { readonly kind: 'not-erased' };

/** What is asked about the request while its slot is made ready. */
export type Asked = {
  readonly request: TurnRequest;
  /** Its client is gone: nothing more is started for it. */
  readonly gone: () => boolean;
  /** Another request waits for the same media. */
  readonly othersWait: () => boolean;
};

/** The chosen slot where it serves as it stands; null: something has to be done first (`readySlot`). */
export function readyAsItStands(slot: Slot, choice: Run, { prefix }: TurnRequest): Ready | null {
  if (choice.erase || choice.restore !== null || choice.prime) return null;
  const heldBy = neededPieces(prefix) === 0 ? null : heldFrom(slot, choice);
  return { kind: 'ready', held: choice.held, heldBy, encodeMs: null };
}

/**
 * Makes the chosen slot ready: empties it, loads a slot file, encodes ahead, as chosen. Rejects when the
 * engine goes away.
 *
 * An encode is let finish whatever becomes of its client: the engine cannot be interrupted in one, drops
 * a request that it has not begun only up to a second later, and the client that comes again finds the
 * image encoded.
 */
export async function readySlot(
  { engineSlots, files, now }: SlotTools,
  engine: Pool,
  life: EngineLife,
  slot: Slot,
  choice: Run,
  asked: Asked,
): Promise<Readied> {
  const { request } = asked;
  const { tenant, prefix } = request;
  if (choice.erase) {
    if (!(await engineSlots.erase(engine, slot.id))) return { kind: 'not-erased' };
    slot.content = [];
  }
  if (choice.restore !== null) {
    slot.content = [];
    const restored = (await files?.restore(engine, slot, tenant, choice.restore)) ?? false;
    if (!restored) return { kind: 'again' };
    slot.content = prefix.slice(0, choice.held);
  }
  const needed = neededPieces(prefix);
  if (!choice.prime || asked.gone()) {
    const heldBy = needed === 0 || choice.prime ? null : heldFrom(slot, choice);
    return { kind: 'ready', held: choice.held, heldBy, encodeMs: null };
  }
  if (!life.trusts('prime'))
    return { kind: 'ready', held: choice.held, heldBy: null, encodeMs: null };

  const startedAt = now();
  request.begins?.();
  const primed = await engineSlots.prime(engine, request, slot.id);
  const encodeMs = now() - startedAt;
  if (primed.kind === 'refused') {
    slot.content = [];
    return { kind: 'ready', held: 0, heldBy: null, encodeMs: null };
  }
  slot.content = prefix;
  const missing = tokensOf(prefix.slice(choice.held), 'media');
  const { promptTokens, cachedTokens } = primed.usage ?? {
    promptTokens: tokensOf(prefix),
    cachedTokens: 0,
  };
  const encoded = promptTokens - cachedTokens >= missing;
  if (encoded) life.measure('encodeMsPerToken', encodeMs / Math.max(1, missing));
  if (life.trusts('file')) {
    const digest = prefix[needed - 1]?.digest ?? '';
    const wanted = asked.othersWait();
    await files?.save(engine, life, slot, { tenant, digest, promptTokens, encodeMs, wanted });
  }
  const held = encoded ? choice.held : needed;
  return { kind: 'ready', held, heldBy: 'prime', encodeMs: encoded ? encodeMs : null };
}

function heldFrom(slot: Slot, { restore, held }: Run): HeldBy {
  if (restore !== null) return 'file';
  return slot.content.length > held ? 'branch' : 'slot';
}
