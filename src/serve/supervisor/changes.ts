import type { Cancellation } from '../seams.ts';

/** Lets any number of callers wait for the next change of something. */
export class Changes {
  readonly #waiting = new Set<() => void>();

  /** Resolves at the next `tell`, or when `signal` is aborted. */
  next(signal: Cancellation): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        this.#waiting.delete(settle);
        signal.removeEventListener('abort', settle);
        resolve();
      };
      this.#waiting.add(settle);
      signal.addEventListener('abort', settle);
    });
  }

  tell(): void {
    for (const settle of [...this.#waiting]) settle();
  }
}
