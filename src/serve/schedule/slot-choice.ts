/** Which slot a request takes, or what it waits for. */
import type { PrefixPiece, Tenant } from '../seams.ts';

export type SlotView = {
  readonly id: number;
  readonly busy: boolean;
  /** The prompt it holds, as far as it is known; empty: nothing worth keeping. */
  readonly content: readonly PrefixPiece[];
  /** Who ran on it last; null: nobody, or it was erased since. */
  readonly owner: Tenant | null;
  /** Grows with every use. */
  readonly lastUsed: number;
};

export type Wanted = {
  readonly tenant: Tenant;
  readonly prefix: readonly PrefixPiece[];
};

export type ChoiceState = {
  readonly slots: readonly SlotView[];
  /** A slot file holds the prompt of the tenant up to the piece with this digest. */
  readonly hasFile: (tenant: Tenant, digest: string) => boolean;
  /** No other image is being encoded. */
  readonly gateOpen: boolean;
  /** Requests with media may take one more slot. */
  readonly mediaMayStart: boolean;
  /** No tenant's prompt stays in a slot that another takes. */
  readonly isolate: boolean;
  /** The engine can go back to an earlier point of a prompt in a slot and go on from there. */
  readonly canBranch: boolean;
  /** The request has waited long enough for a busy slot that holds its media. */
  readonly tiredOfWaiting: boolean;
};

export type Run = {
  readonly kind: 'run';
  readonly slot: number;
  /** The slot is another tenant's: it is emptied first. */
  readonly erase: boolean;
  /** Digest of the slot file to load first; null: none. */
  readonly restore: string | null;
  /** Leading pieces that will be in the slot before anything is evaluated. */
  readonly held: number;
  /** Some medium is not in the slot: it is encoded ahead, with the gate closed. */
  readonly prime: boolean;
};

export type Choice =
  | Run
  /** `holder`: a busy slot holds the media; `gate`: another image is being encoded; `slot`: all are busy. */
  | { readonly kind: 'wait'; readonly for: 'slot' | 'gate' | 'holder' };

/**
 * - A free slot that holds the prompt up to its last medium is taken, whatever it holds beyond.
 * - Else a slot file brings it back, into the slot that loses least.
 * - Else a busy slot that holds it is waited for, until waiting has cost as much as encoding again would:
 *   never more than twice the better of the two, whenever that slot becomes free.
 * - Else it is encoded, one image at a time, on top of the longest beginning that slots or files have.
 *
 * Text continues the slot where that saves at least what it destroys: a system prompt in common is no
 * reason to overwrite another conversation while there are emptier slots.
 */
export function chooseSlot(wanted: Wanted, state: ChoiceState): Choice {
  const slots = usableSlots(wanted, state);
  const free = slots.filter((slot) => !slot.busy);
  const needed = neededPieces(wanted.prefix);
  if (free.length === 0) return { kind: 'wait', for: 'slot' };
  if (needed === 0) return onto(bestBase(wanted, free, state), wanted, state, false);
  if (!state.mediaMayStart) return { kind: 'wait', for: 'slot' };

  const holder = longest(wanted, free, needed);
  if (holder !== null) return onto({ slot: holder, restore: null }, wanted, state, false);
  const digest = wanted.prefix[needed - 1]?.digest ?? '';
  if (state.hasFile(wanted.tenant, digest)) {
    return onto({ slot: leastLoss(wanted, free, state), restore: digest }, wanted, state, false);
  }
  const busy = slots.filter((slot) => slot.busy);
  if (!state.tiredOfWaiting && longest(wanted, busy, needed) !== null) {
    return { kind: 'wait', for: 'holder' };
  }
  if (!state.gateOpen) return { kind: 'wait', for: 'gate' };
  return onto(bestBase(wanted, free, state), wanted, state, true);
}

/** Pieces up to and with the last medium; 0 for text only. */
export function neededPieces(prefix: readonly PrefixPiece[]): number {
  return prefix.findLastIndex((piece) => piece.kind === 'media') + 1;
}

/** So many leading pieces are the same in both. */
export function sharedPieces(one: readonly PrefixPiece[], other: readonly PrefixPiece[]): number {
  const length = Math.min(one.length, other.length);
  for (let index = 0; index < length; index++) {
    if (one[index]?.digest !== other[index]?.digest) return index;
  }
  return length;
}

export function tokensOf(pieces: readonly PrefixPiece[], kind?: PrefixPiece['kind']): number {
  return pieces.reduce(
    (sum, piece) => sum + (kind === undefined || piece.kind === kind ? piece.tokens : 0),
    0,
  );
}

type Base = { readonly slot: SlotView; readonly restore: string | null };

function onto({ slot, restore }: Base, wanted: Wanted, state: ChoiceState, prime: boolean): Run {
  const held =
    restore === null
      ? sharedPieces(slot.content, wanted.prefix)
      : wanted.prefix.findIndex((piece) => piece.digest === restore) + 1;
  const erase = isForeign(slot, wanted, state);
  return {
    kind: 'run',
    slot: slot.id,
    erase,
    restore,
    held,
    prime,
  };
}

/** The slot that holds at least `pieces` of the prompt, and the most of it. */
function longest(wanted: Wanted, slots: readonly SlotView[], pieces: number): SlotView | null {
  let best: SlotView | null = null;
  let most = pieces - 1;
  for (const slot of slots) {
    const shared = sharedPieces(slot.content, wanted.prefix);
    if (shared <= most) continue;
    most = shared;
    best = slot;
  }
  return best;
}

/** What to build on: a slot worth continuing, a file with more of the media, or the slot that loses least. */
function bestBase(wanted: Wanted, free: readonly SlotView[], state: ChoiceState): Base {
  const { prefix, tenant } = wanted;
  let best: SlotView | null = null;
  let most = 0;
  for (const slot of free) {
    const shared = sharedPieces(slot.content, prefix);
    if (shared === 0) continue;
    const saved = tokensOf(prefix.slice(0, shared));
    if (saved <= most || saved < tokensOf(slot.content.slice(shared))) continue;
    most = saved;
    best = slot;
    // No other can hold more of it.
    if (shared === prefix.length) break;
  }
  for (let index = neededPieces(prefix) - 1; index >= 0; index--) {
    const { digest = '', kind } = prefix[index] ?? {};
    if (tokensOf(prefix.slice(0, index + 1)) <= most) break;
    if (kind !== 'media' || !state.hasFile(tenant, digest)) continue;
    return { slot: leastLoss(wanted, free, state), restore: digest };
  }
  return { slot: best ?? leastLoss(wanted, free, state), restore: null };
}

/** An own or nobody's slot first (isolated), then an empty one, then one whose media a file keeps, then the oldest. */
function leastLoss(wanted: Wanted, free: readonly SlotView[], state: ChoiceState): SlotView {
  const rank = (slot: SlotView): Rank => {
    const whole = state.slots.find(({ id }) => id === slot.id) ?? slot;
    return [
      isForeign(slot, wanted, state) ? 1 : 0,
      whole.content.length === 0 ? 0 : 1,
      losesMedia(whole, state) ? 1 : 0,
      slot.lastUsed,
    ];
  };
  let least: SlotView | null = null;
  let lowest: Rank = [Infinity, 0, 0, 0];
  for (const slot of free) {
    const own = rank(slot);
    if (compare(own, lowest) >= 0) continue;
    least = slot;
    lowest = own;
  }
  if (least === null) throw new Error('no slot is free');
  return least;
}

function losesMedia({ content, owner }: SlotView, state: ChoiceState): boolean {
  const last = content[neededPieces(content) - 1];
  return last !== undefined && owner !== null && !state.hasFile(owner, last.digest);
}

function usableSlots(wanted: Wanted, state: ChoiceState): readonly SlotView[] {
  if (state.canBranch && !state.isolate) return state.slots;
  return state.slots.map((slot) =>
    isUsable(slot, wanted, state) ? slot : { ...slot, content: [] },
  );
}

function isUsable(slot: SlotView, wanted: Wanted, state: ChoiceState): boolean {
  if (isForeign(slot, wanted, state)) return false;
  return state.canBranch || sharedPieces(slot.content, wanted.prefix) === slot.content.length;
}

function isForeign({ owner }: SlotView, { tenant }: Wanted, { isolate }: ChoiceState): boolean {
  return isolate && owner !== null && owner !== tenant;
}

type Rank = readonly [foreign: number, full: number, loses: number, lastUsed: number];

function compare(one: Rank, other: Rank): number {
  return one[0] - other[0] || one[1] - other[1] || one[2] - other[2] || one[3] - other[3];
}
