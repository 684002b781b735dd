import type { Dispatcher, Pool } from 'undici';
import type { Cancellation } from '../seams.ts';

export type ExchangeRequest = {
  readonly path: string;
  readonly method: 'GET' | 'POST';
  readonly body: Buffer | string | null;
  readonly accept: string;
  /**
   * It asks for a stream. llama-server closes the connection a millisecond or two behind one, without having
   * said so: the next request on it would be lost, and it takes a second to know that the engine is not.
   */
  readonly streams: boolean;
};

export type WholeAnswer = {
  readonly kind: 'whole';
  readonly status: number;
  readonly type: string;
  readonly bytes: Buffer;
};

/** An answer that has begun: whole where it is a document, piece by piece where it is a stream of events. */
export type Exchange =
  | WholeAnswer
  | {
      readonly kind: 'events';
      readonly status: number;
      readonly type: string;
      readonly chunks: AsyncGenerator<Buffer, void>;
    };

/** Bytes of a stream that may wait for a slow client before the engine's connection is left unread. */
const MOST_WAITING_BYTES = 65_536;

/**
 * One request to the engine, at the level of undici's dispatcher: its `request()` wraps every answer in
 * a stream, which was the most expensive single step of a short request. Resolves with a whole document
 * or with the head of a stream of events; rejects, or its chunks throw, with the connection's error or the
 * reason of `signal`.
 */
export function exchange(
  engine: Pool,
  { path, method, body, accept, streams }: ExchangeRequest,
  signal: Cancellation,
): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', accept };
    const answer = new Answer(resolve, reject, signal);
    engine.dispatch({ path, method, body, headers, reset: streams }, answer);
  });
}

/** Follows one answer from the request to its last byte. */
class Answer implements Dispatcher.DispatchHandler {
  readonly #resolve: (exchange: Exchange) => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: Cancellation;
  #controller: Dispatcher.DispatchController | null = null;
  #status = 0;
  #type = '';
  #streams = false;
  #chunks: Buffer[] = [];
  #waitingBytes = 0;
  #end: { readonly error: unknown } | 'done' | null = null;
  /** Wakes the reader of a stream. */
  #wake: (() => void) | null = null;

  constructor(
    resolve: (exchange: Exchange) => void,
    reject: (error: unknown) => void,
    signal: Cancellation,
  ) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#signal.aborted) this.#onAbort();
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200) return;
    const type = headers['content-type'];
    this.#status = status;
    this.#type = (Array.isArray(type) ? type[0] : type) ?? 'application/json';
    this.#streams = this.#type.startsWith('text/event-stream');
    if (!this.#streams) return;
    this.#resolve({
      kind: 'events',
      status,
      type: this.#type,
      chunks: this.#read(),
    });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
    if (!this.#streams) return;
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes > MOST_WAITING_BYTES) controller.pause();
    this.#wake?.();
  }

  onResponseEnd(): void {
    this.#settle('done');
    if (this.#streams) return;
    const [first, ...rest] = this.#chunks;
    const bytes =
      first === undefined
        ? Buffer.alloc(0)
        : rest.length === 0
          ? first
          : Buffer.concat(this.#chunks);
    this.#resolve({ kind: 'whole', status: this.#status, type: this.#type, bytes });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#settle({ error });
    this.#reject(error);
  }

  /** What came so far is given out before an error is thrown. Leaving early ends the engine's work. */
  async *#read(): AsyncGenerator<Buffer, void> {
    try {
      for (;;) {
        const chunks = this.#chunks;
        this.#chunks = [];
        this.#waitingBytes = 0;
        if (this.#controller?.paused === true) this.#controller.resume();
        yield* chunks;
        if (this.#chunks.length > 0) continue;
        if (this.#end === 'done') return;
        if (this.#end !== null) throw this.#end.error;
        await new Promise<void>((wake) => (this.#wake = wake));
      }
    } finally {
      if (this.#end === null) this.#controller?.abort(new Error('nobody reads the answer'));
    }
  }

  #settle(end: { readonly error: unknown } | 'done'): void {
    this.#end ??= end;
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#wake?.();
  }

  readonly #onAbort = (): void => {
    const reason: unknown = this.#signal.reason;
    const error = reason instanceof Error ? reason : new Error(String(reason));
    // Before a connection is free for it there is nothing to abort yet: `onRequestStart` sees to it.
    if (this.#controller === null) this.#reject(error);
    else this.#controller.abort(error);
  };
}
