import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { decideRestart, type RestartPolicy } from '../restart-policy.ts';

/** What the restart policy decides by, and how long the next start is off. */
export class Restarts {
  readonly #policy: RestartPolicy;
  readonly #random: () => number;
  #fruitlessCrashes = 0;
  #completedRequests = 0;
  #nextStartAt: number | null = null;

  /** `random`: uniform in [0, 1). */
  constructor(policy: RestartPolicy, random: () => number) {
    this.#policy = policy;
    this.#random = random;
  }

  /** Crashes in a row, each without one completed request. */
  get fruitlessCrashes(): number {
    return this.#fruitlessCrashes;
  }

  /** Whole seconds, at least 1, until the next start. */
  get retryAfterSeconds(): number {
    const waitMs = this.#nextStartAt === null ? 0 : this.#nextStartAt - performance.now();
    return Math.max(1, Math.ceil(waitMs / 1000));
  }

  requestCompleted(): void {
    this.#completedRequests += 1;
  }

  starting(): void {
    this.#nextStartAt = null;
  }

  ready(): void {
    this.#completedRequests = 0;
  }

  /** Milliseconds until it should be started again; null: not any more. */
  crashed(): number | null {
    const crash = { completedRequests: this.#completedRequests, jitter: this.#random() };
    const decision = decideRestart(this.#fruitlessCrashes, crash, this.#policy);
    this.#fruitlessCrashes = decision.fruitlessCrashes;
    this.#completedRequests = 0;
    return decision.action === 'restart' ? decision.delayMs : null;
  }

  /** False when `signal` was aborted. */
  async wait(delayMs: number, signal: AbortSignal): Promise<boolean> {
    this.#nextStartAt = performance.now() + delayMs;
    await delay(delayMs, undefined, { signal }).catch(() => undefined);
    return !signal.aborted;
  }
}
