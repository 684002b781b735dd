import type { PrefixPiece, Tenant } from '../seams.ts';
import { NO_RATES, measured, type Rates } from './prediction.ts';
import type { SlotView } from './slot-choice.ts';
import { FULL_TRUST, trusts, withOutcome, type HeldBy, type Trust } from './trust.ts';

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

  occupy(slot: Slot, tenant: Tenant, media: boolean): void {
    slot.busy = true;
    slot.media = media;
    slot.owner = tenant;
    slot.lastUsed = ++this.#uses;
  }

  free(slot: Slot, content: readonly PrefixPiece[]): void {
    slot.busy = false;
    slot.media = false;
    slot.content = content;
    slot.lastUsed = ++this.#uses;
    this.open(slot);
  }

  /** The next image may be encoded, if it was `slot` that kept the gate closed. */
  open(slot: Slot): void {
    if (this.gate === slot) this.gate = null;
  }
}
