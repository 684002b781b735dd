import type { ServerResponse } from 'node:http';
import type { GatewayError } from './errors.ts';
import { RequestSignal } from './request-signal.ts';

/** How long one request may take as a whole, and what its client is told then. */
export type Deadline = { readonly limitMs: number; readonly reason: () => GatewayError };

/** The requests being answered: what a drain waits for, and what it ends when its time is up. */
export class InFlight {
  readonly #running = new Map<ServerResponse, RequestSignal>();
  #onIdle: (() => void)[] = [];

  get count(): number {
    return this.#running.size;
  }

  /**
   * Follows `response` to its end; the signal is aborted when the client hangs up before it, or its time is
   * over.
   */
  add(response: ServerResponse, deadline: Deadline | null): void {
    const signal = new RequestSignal();
    const timer =
      deadline === null
        ? undefined
        : setTimeout(() => signal.abort(deadline.reason()), deadline.limitMs);
    this.#running.set(response, signal);
    response.on('close', () => {
      clearTimeout(timer);
      this.#running.delete(response);
      if (!response.writableFinished) signal.abort();
      if (this.#running.size > 0) return;
      for (const resolve of this.#onIdle.splice(0)) resolve();
    });
  }

  signalOf(response: ServerResponse): RequestSignal {
    return this.#running.get(response) ?? abortedSignal();
  }

  /** Ends the engine's work on every request; each client is told `reason`. */
  abortAll(reason: GatewayError): void {
    for (const signal of this.#running.values()) signal.abort(reason);
  }

  /** True once no request is running, false when that took longer than `limitMs` or `signal` came. */
  idleWithin(limitMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.#running.size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (idle: boolean) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        resolve(idle);
      };
      const onAbort = () => settle(false);
      const timer = setTimeout(() => settle(false), limitMs);
      this.#onIdle.push(() => settle(true));
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}

function abortedSignal(): RequestSignal {
  const signal = new RequestSignal();
  signal.abort();
  return signal;
}
