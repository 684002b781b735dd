import type { Pool } from 'undici';
import type { Cancellation, EngineSource } from './seams.ts';

/**
 * The engine before there is one: the parts in front of it are made first, since it is started with
 * the folders that they share with it.
 */
export class LateEngine implements EngineSource {
  #source: EngineSource | null = null;
  #imageMaxTokens: () => number | null = () => null;

  /** `imageMaxTokens`: what an engine short of memory was told instead of the plan's cap; else null. */
  become(source: EngineSource, imageMaxTokens: () => number | null = () => null): void {
    this.#source = source;
    this.#imageMaxTokens = imageMaxTokens;
  }

  get imageMaxTokens(): number | null {
    return this.#imageMaxTokens();
  }

  get asleep(): boolean {
    return this.#source?.asleep ?? false;
  }

  get engine(): Pool | null {
    return this.#source?.engine ?? null;
  }

  get life(): number {
    return this.#source?.life ?? 0;
  }

  get reliefs(): number {
    return this.#source?.reliefs ?? 0;
  }

  get retryAfterSeconds(): number {
    return this.#source?.retryAfterSeconds ?? 1;
  }

  whenReady(signal: Cancellation): Promise<Pool> {
    if (this.#source !== null) return this.#source.whenReady(signal);
    return Promise.reject(new Error('asked for the engine before it was made'));
  }

  requestCompleted(): void {
    this.#source?.requestCompleted();
  }
}
