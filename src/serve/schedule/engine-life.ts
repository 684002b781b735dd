import type { PrefixPiece, Tenant } from '../seams.ts';
import { NO_RATES, measured, type Rates } from './prediction.ts';
import type { SlotView } from './slot-choice.ts';
import { FULL_TRUST, trusts, withOutcome, type HeldBy, type Trust } from './trust.ts';

/** The longest breath between two encodes, as a share of the first: what throughput may lose for it. */
const BREATH = 0.1;

/** One slot of the engine. */
export type Slot = {
  readonly id: number;
  busy: boolean;
  /** The request that has it carries media. */
  media: boolean;
  content: readonly PrefixPiece[];
  owner: Tenant | null;
  lastUsed: number;
};

/** What is known of one engine from its start to its end; another start knows nothing of it. */
export class EngineLife {
  readonly number: number;
  readonly slots: readonly Slot[];
  /** Who encodes an image now, or holds the place for it. */
  gate: Slot | null = null;
  /** A request was lost: whether the engine has ended is not known yet. */
  doubtful = false;
  /** Slots given to words whose answer has not begun. */
  readonly #awaited = new Set<Slot>();
  #breathesUntil = 0;
  #rates: Rates = NO_RATES;
  #trust: Trust = FULL_TRUST;
  #uses = 0;

  constructor(number: number, slots: number) {
    this.number = number;
    this.slots = Array.from({ length: slots }, (_, id) => ({
      id,
      busy: false,
      media: false,
      content: [],
      owner: null,
      lastUsed: 0,
    }));
  }

  get rates(): Rates {
    return this.#rates;
  }

  measure(what: keyof Rates, value: number): void {
    this.#rates = measured(this.#rates, what, value);
  }

  trusts(heldBy: HeldBy): boolean {
    return trusts(this.#trust, heldBy);
  }

  outcome(heldBy: HeldBy, hit: boolean): void {
    this.#trust = withOutcome(this.#trust, heldBy, hit);
  }

  /** The slots as they may be relied on. */
  views(): readonly SlotView[] {
    if (this.trusts('slot')) return this.slots;
    return this.slots.map((slot) => ({ ...slot, content: [] }));
  }

  /** Slots at work for requests with media. */
  mediaAtWork(): number {
    return this.slots.filter((slot) => slot.busy && slot.media).length;
  }

  /** How long the breath after the last encode still lasts, at most. */
  breathMs(now: number): number {
    return Math.max(0, this.#breathesUntil - now);
  }

  /** A request of words has its slot, and no token yet. */
  wordsAwaited(): boolean {
    return this.#awaited.size > 0;
  }

  /** An encode of so many milliseconds has ended. */
  encoded(ms: number, now: number): void {
    this.#breathesUntil = now + BREATH * ms;
  }

  /** The answer on this slot has begun. */
  begun(slot: Slot): void {
    this.#awaited.delete(slot);
    this.open(slot);
  }

  occupy(slot: Slot, tenant: Tenant, media: boolean): void {
    slot.busy = true;
    slot.media = media;
    if (!media) this.#awaited.add(slot);
    slot.owner = tenant;
    slot.lastUsed = ++this.#uses;
  }

  free(slot: Slot, content: readonly PrefixPiece[]): void {
    slot.busy = false;
    slot.media = false;
    slot.content = content;
    slot.lastUsed = ++this.#uses;
    this.begun(slot);
  }

  /** The next image may be encoded, if it was `slot` that kept the gate closed. */
  open(slot: Slot): void {
    if (this.gate === slot) this.gate = null;
  }
}
