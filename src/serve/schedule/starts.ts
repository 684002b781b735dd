import type { Tenant } from '../seams.ts';
import type { EngineLife } from './engine-life.ts';
import type { FairQueue } from './fair-queue.ts';
import { encodeMs, turnMs } from './prediction.ts';
import { chooseSlot, tokensOf, type Run } from './slot-choice.ts';
import type { Waiting } from './waiting.ts';

export type StartsOptions = {
  readonly queue: FairQueue<Waiting>;
  readonly isolateTenants: boolean;
  readonly hasFile: (tenant: Tenant, digest: string) => boolean;
  /** Milliseconds that only grow. */
  readonly now: () => number;
  /** Something may start that had to wait for a moment of time. */
  readonly changed: () => void;
};

/** So long after a request of words only, one slot is kept from requests with media. */
const WORDS_ARE_RECENT_MS = 60_000;

/** Which of the waiting requests start, each on which slot. */
export class Starts {
  readonly #options: StartsOptions;
  #lastWordsAt = -Infinity;
  #breath: NodeJS.Timeout | null = null;

  constructor(options: StartsOptions) {
    this.#options = options;
  }

  arrived(waiting: Waiting): void {
    if (!waiting.hasMedia) this.#lastWordsAt = waiting.since;
  }

  close(): void {
    clearTimeout(this.#breath ?? undefined);
  }

  /** All that may start now, one after another; each has its slot before the next is chosen. */
  *of(life: EngineLife): Generator<{ readonly item: Waiting; readonly start: Run }> {
    const breathes = this.#breathes(life);
    for (;;) {
      const next = this.#options.queue.take((waiting) => this.#mayStart(waiting, life, breathes));
      if (next === null) return;
      yield { item: next.item, start: next.start.choice };
    }
  }

  #mayStart(
    waiting: Waiting,
    life: EngineLife,
    breathes: boolean,
  ): { readonly choice: Run; readonly cost: number } | null {
    const { hasFile, isolateTenants, changed } = this.#options;
    const choice = chooseSlot(waiting.request, {
      slots: life.views(),
      hasFile: (tenant, digest) => life.trusts('file') && hasFile(tenant, digest),
      gateOpen: life.gate === null && !breathes,
      mediaMayStart: life.mediaAtWork() < this.#mediaSlots(life),
      isolate: isolateTenants,
      canBranch: life.trusts('branch'),
      tiredOfWaiting: waiting.tired,
    });
    const { rates } = life;
    if (choice.kind === 'wait') {
      if (choice.for === 'holder') waiting.tireAfter(encodeMs(rates, waiting.mediaTokens), changed);
      return null;
    }
    const slot = life.slots[choice.slot];
    if (slot === undefined) return null;
    // Occupied here, in the same step: the next choice must see it.
    life.occupy(slot, waiting.request.tenant, waiting.hasMedia);
    if (choice.prime) life.gate = slot;
    const missing = tokensOf(waiting.request.prefix.slice(choice.held), 'media');
    return { choice, cost: turnMs(rates) + (choice.prime ? encodeMs(rates, missing) : 0) };
  }

  /** Words come first for a moment after each encode; the images go on when it is over. */
  #breathes(life: EngineLife): boolean {
    const { now, queue, changed } = this.#options;
    const breathMs = life.breathMs(now());
    if (breathMs === 0) return false;
    const wordsWait = [...queue.items()].some((waiting) => !waiting.hasMedia);
    if (!wordsWait && !life.wordsAwaited()) return false;
    this.#breath ??= setTimeout(() => {
      this.#breath = null;
      changed();
    }, breathMs);
    return true;
  }

  /**
   * Media leave one slot to words while there are any: a slot that generates about an image is taken for
   * seconds, and a flood of images must not keep the short requests out. Where nobody asks with words
   * only, media have all slots. Words may take every slot in their turn: media then wait for one like
   * any other, so neither starves the other.
   */
  #mediaSlots({ slots }: EngineLife): number {
    const wordsAreRecent = this.#options.now() - this.#lastWordsAt < WORDS_ARE_RECENT_MS;
    return wordsAreRecent && slots.length > 1 ? slots.length - 1 : slots.length;
  }
}
