import { NO_RELIEF, nextRelief, withRelief, type Relief } from '../relief.ts';
import type { EngineProcess } from './engine-process.ts';
import type { ReliefOptions, SupervisorOptions } from './options.ts';

/** What the engine is started with where memory ran out: the steps taken so far, and the next one. */
export class MemoryRelief {
  readonly #planned: readonly string[];
  readonly #options: ReliefOptions | undefined;
  readonly #onPhase: SupervisorOptions['onPhase'];
  #current: Relief;
  #steps = 0;

  constructor({ command, relief, onPhase }: SupervisorOptions) {
    this.#planned = command.args;
    this.#options = relief;
    this.#onPhase = onPhase;
    this.#current = relief?.initial ?? NO_RELIEF;
  }

  get current(): Relief {
    return this.#current;
  }

  /** Steps taken by this supervisor. */
  get steps(): number {
    return this.#steps;
  }

  /** The engine's arguments as they are with it. */
  get args(): readonly string[] {
    return withRelief(this.#planned, this.#current);
  }

  /** The next step when `engine` ran out of memory; null when it did not, or there is none. */
  after(engine: EngineProcess | null): Relief | null {
    const memory = engine?.outOfMemory() ?? null;
    if (this.#options === undefined || memory === null) return null;
    return nextRelief(this.#planned, this.#current, this.#options.scope, memory);
  }

  /** Takes the next step when `engine` ended for want of memory; false when there is none. */
  async take(engine: EngineProcess | null): Promise<boolean> {
    const next = this.after(engine);
    if (next === null) return false;
    this.#current = next;
    this.#steps += 1;
    this.#onPhase({ kind: 'relieved', relief: next });
    // What cannot be remembered is found out again.
    await this.#options?.remember(next).catch(() => undefined);
    return true;
  }
}
