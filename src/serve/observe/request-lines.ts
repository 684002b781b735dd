import type { Logger } from 'pino';
import { Together } from './together.ts';

const LINES_AT_ONCE = 64;
const LINES_EVERY_MS = 100;

export type RequestLevel = 'debug' | 'info' | 'error';

/** The time of a line: now, or when what it tells of happened. */
export class LineClock {
  /** null: now. */
  atMs: number | null = null;
  #second = NaN;
  #start = '';

  /** As pino takes it. Only its end is made anew within a second: whole dates are a good part of a line's cost. */
  field(): string {
    const ms = this.atMs ?? Date.now();
    const second = Math.floor(ms / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#start = new Date(second * 1000).toISOString().slice(0, -'000Z'.length);
    }
    return `,"time":"${this.#start}${String(ms % 1000).padStart(3, '0')}Z"`;
  }
}

type Line = { readonly level: RequestLevel; readonly atMs: number; readonly fields: object };

/** Lines of requests that are to be made, in the order of their ends. */
export class RequestLines {
  readonly #logger: Logger;
  readonly #waiting: Together<Line>;
  #timer: NodeJS.Timeout | null = null;

  constructor(logger: Logger, clock: LineClock) {
    this.#logger = logger;
    this.#waiting = new Together(LINES_AT_ONCE, ({ level, atMs, fields }) => {
      clock.atMs = atMs;
      logger[level](fields);
      clock.atMs = null;
    });
  }

  add(line: Line): void {
    if (!this.#logger.isLevelEnabled(line.level)) return;
    this.#waiting.add(line);
    this.#timer ??= setTimeout(() => this.flush(), LINES_EVERY_MS).unref();
  }

  flush(): void {
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;
    this.#waiting.flush();
  }
}
