/**
 * Which content the engine died of. A request is known by digests: the keys of its media, or that of its
 * body where it has none. What was in flight at two crashes without a success in between is suspected
 * to be the cause and refused for a while: for an hour where it was alone at one of them, for five minutes
 * where others were in flight too, since most of those are innocent. Whatever the engine completes is
 * cleared. Nothing is kept beyond this process: another engine, or other arguments, start afresh.
 */
export type QuarantinePolicy = {
  readonly crashes: number;
  readonly aloneMs: number;
  readonly amongOthersMs: number;
  /** A suspect of one crash is forgotten after so long. */
  readonly memoryMs: number;
  /** Digests kept at most; the oldest go first. */
  readonly capacity: number;
};

export const DEFAULT_QUARANTINE: QuarantinePolicy = {
  crashes: 2,
  aloneMs: 3_600_000,
  amongOthersMs: 300_000,
  memoryMs: 3_600_000,
  capacity: 10_000,
};

/** Asked for only where there are suspects, or a crash makes some: few requests ever need theirs. */
export type Digests = () => readonly string[];

export type QuarantineRefusal = {
  readonly digest: string;
  readonly crashes: number;
  /** Whole seconds, at least 1. */
  readonly retryAfterSeconds: number;
};

export type SuspectHandle = {
  /** To be called once. `completed`: the engine answered it; `gone`: anything else, the client left … */
  readonly finished: (how: 'completed' | 'gone') => void;
};

type Suspect = {
  readonly crashes: number;
  readonly alone: boolean;
  readonly atMs: number;
};
type Running = { readonly digests: Digests; readonly onLoss: () => void };

export class Quarantine {
  readonly #policy: QuarantinePolicy;
  readonly #nowMs: () => number;
  readonly #suspects = new Map<string, Suspect>();
  readonly #running = new Set<Running>();

  /** `nowMs`: a clock that never goes back. */
  constructor(policy: QuarantinePolicy, nowMs: () => number) {
    this.#policy = policy;
    this.#nowMs = nowMs;
  }

  /** To be asked before a request goes to the engine; null: it may. */
  admit(digests: Digests): QuarantineRefusal | null {
    if (this.#suspects.size === 0) return null;
    for (const digest of digests()) {
      const suspect = this.#suspects.get(digest);
      if (suspect === undefined) continue;
      const leftMs = suspect.atMs + this.#heldMs(suspect) - this.#nowMs();
      if (leftMs <= 0) this.#suspects.delete(digest);
      else if (suspect.crashes >= this.#policy.crashes) {
        const retryAfterSeconds = Math.max(1, Math.ceil(leftMs / 1000));
        return { digest, crashes: suspect.crashes, retryAfterSeconds };
      }
    }
    return null;
  }

  /** A request is at the engine from now on. `onLoss` is called when that engine is known to be gone. */
  started(digests: Digests, onLoss: () => void = () => undefined): SuspectHandle {
    const running: Running = { digests, onLoss };
    this.#running.add(running);
    return {
      finished: (how) => {
        this.#running.delete(running);
        if (how !== 'completed' || this.#suspects.size === 0) return;
        for (const digest of running.digests()) this.#suspects.delete(digest);
      },
    };
  }

  /** The engine died; every request at it is suspected once more. */
  crashed(): void {
    const alone = this.#running.size === 1;
    const inFlight = new Set<string>();
    for (const running of this.#running) {
      for (const digest of running.digests()) inFlight.add(digest);
    }
    for (const digest of inFlight) this.#suspect(digest, alone);
    this.#tellLoss();
  }

  /** The next engine is another one, or has other arguments: nothing is to blame. */
  reset(): void {
    this.#suspects.clear();
    this.#tellLoss();
  }

  #tellLoss(): void {
    for (const { onLoss } of [...this.#running]) onLoss();
  }

  #suspect(digest: string, alone: boolean): void {
    const atMs = this.#nowMs();
    const before = this.#suspects.get(digest);
    const known = before !== undefined && atMs < before.atMs + this.#heldMs(before);
    // Set anew, so that the map's order is that of the last crash.
    this.#suspects.delete(digest);
    this.#suspects.set(digest, {
      crashes: (known ? before.crashes : 0) + 1,
      alone: alone || (known && before.alone),
      atMs,
    });
    const [oldest] = this.#suspects.keys();
    if (this.#suspects.size > this.#policy.capacity && oldest !== undefined) {
      this.#suspects.delete(oldest);
    }
  }

  #heldMs({ crashes, alone }: Suspect): number {
    const { crashes: limit, aloneMs, amongOthersMs, memoryMs } = this.#policy;
    if (crashes < limit) return memoryMs;
    return alone ? aloneMs : amongOthersMs;
  }
}
