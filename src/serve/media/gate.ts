/**
 * Bounds what is decoded at once by its size: jobs run in the order they came, as many as fit. A job
 * larger than everything runs alone.
 */
export class Gate {
  readonly #capacity: number;
  #free: number;
  readonly #waiting: { readonly weight: number; readonly enter: () => void }[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#free = capacity;
  }

  /** Rejects with the signal's reason when aborted before its turn; a job that runs is not interrupted. */
  async run<Result>(
    weight: number,
    signal: AbortSignal,
    job: () => Promise<Result>,
  ): Promise<Result> {
    const taken = Math.min(weight, this.#capacity);
    await this.#enter(taken, signal);
    try {
      return await job();
    } finally {
      this.#free += taken;
      this.#admit();
    }
  }

  async #enter(weight: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const entry = {
        weight,
        enter: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      const leave = () => {
        const at = this.#waiting.indexOf(entry);
        if (at !== -1) this.#waiting.splice(at, 1);
        reject(signal.reason as Error);
        this.#admit();
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.push(entry);
      this.#admit();
    });
  }

  #admit(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (first.weight > this.#free) return;
      this.#waiting.shift();
      this.#free -= first.weight;
      first.enter();
    }
  }
}
