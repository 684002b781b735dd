import type { Cancellation } from '../seams.ts';

/**
 * Tells when a request is given up. The platform's own signal is made only for those who need one: short
 * requests do without, for whom making and following it is a good part of all their cost on Node 20.
 */
export class RequestSignal implements Cancellation {
  readonly #listeners: (() => void)[] = [];
  #native: AbortController | null = null;
  #aborted = false;
  #reason: unknown;

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  /** The same as an `AbortSignal`. */
  get native(): AbortSignal {
    if (this.#native === null) {
      this.#native = new AbortController();
      if (this.#aborted) this.#native.abort(this.#reason);
    }
    return this.#native.signal;
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.push(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    const at = this.#listeners.indexOf(listener);
    if (at !== -1) this.#listeners.splice(at, 1);
  }

  /** Without a reason: as the platform says it. Only the first call counts. */
  abort(reason: unknown = new DOMException('This operation was aborted', 'AbortError')): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.#native?.abort(reason);
    for (const listener of this.#listeners.splice(0)) listener();
  }
}
