import { GatewayError } from '../gateway/errors.ts';
import type { Tenant, Turn, TurnRequest } from '../seams.ts';
import type { EngineLife } from './engine-life.ts';
import { retryAfterSeconds, tokensToEncode } from './prediction.ts';
import { neededPieces, tokensOf } from './slot-choice.ts';

/** A request until it has its turn, or an error instead of one. */
export class Waiting {
  readonly request: TurnRequest;
  readonly since: number;
  readonly hasMedia: boolean;
  readonly mediaTokens: number;
  readonly turn: Promise<Turn>;
  readonly #onGone: () => void;
  /** It need not wait any longer for a busy slot that holds its media. */
  tired = false;
  #patience: NodeJS.Timeout | null = null;
  #expiry: NodeJS.Timeout | null = null;
  #settled = false;
  #resolve: (turn: Turn) => void = () => undefined;
  #reject: (error: GatewayError) => void = () => undefined;

  /** `onGone` is called when its signal is aborted, or its time is over, before it had its turn. */
  constructor(request: TurnRequest, since: number, onGone: () => void) {
    this.request = request;
    this.since = since;
    this.#onGone = onGone;
    this.hasMedia = neededPieces(request.prefix) > 0;
    this.mediaTokens = tokensOf(request.prefix, 'media');
    this.turn = new Promise((resolve, reject) => {
      const onAbort = () => {
        this.refuse(goneError(request.signal));
        this.#onGone();
      };
      const settle = () => {
        this.#settled = true;
        clearTimeout(this.#patience ?? undefined);
        clearTimeout(this.#expiry ?? undefined);
        request.signal.removeEventListener('abort', onAbort);
      };
      this.#resolve = (turn) => {
        settle();
        resolve(turn);
      };
      this.#reject = (error) => {
        settle();
        reject(error);
      };
      request.signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  get settled(): boolean {
    return this.#settled;
  }

  grant(turn: Turn): void {
    if (!this.#settled) this.#resolve(turn);
  }

  refuse(error: GatewayError): void {
    if (!this.#settled) this.#reject(error);
  }

  /** Waits for a busy slot at most `patienceMs` in all, then calls `onTired`. */
  tireAfter(patienceMs: number, onTired: () => void): void {
    if (this.tired || this.#patience !== null) return;
    this.#patience = setTimeout(() => {
      this.tired = true;
      onTired();
    }, patienceMs);
  }

  /** Some of `others` want what is being encoded for this one. */
  isAwaitedBy(others: Iterable<Waiting>): boolean {
    const { prefix } = this.request;
    const digest = prefix[neededPieces(prefix) - 1]?.digest;
    for (const other of others) {
      if (other.request.prefix.some((piece) => piece.digest === digest)) return true;
    }
    return false;
  }

  /** Gives up after `limitMs` without a turn (504). */
  expireAfter(limitMs: number): void {
    this.#expiry = setTimeout(() => {
      const message = `no slot became free within ${Math.round(limitMs / 1000)} s`;
      this.refuse(new GatewayError(504, 'queue_timeout', message));
      this.#onGone();
    }, limitMs);
  }
}

/** Whole seconds until what waits now, and what runs, is worked off; for `Retry-After`. */
export function secondsOfWork(
  waiting: readonly Waiting[],
  { slots, rates }: EngineLife,
  hasFile: (tenant: Tenant, digest: string) => boolean,
): number {
  const mediaTokens = tokensToEncode(
    waiting.map(({ request }) => request),
    slots.map(({ content }) => content),
    hasFile,
  );
  const turns = waiting.length + slots.filter((slot) => slot.busy).length;
  return retryAfterSeconds(rates, { mediaTokens, turns, slots: slots.length });
}

/** The reason that was given, or that the client hung up. */
export function goneError({ reason }: AbortSignal): GatewayError {
  if (reason instanceof GatewayError) return reason;
  return new GatewayError(499, 'client_closed_request', 'the client hung up');
}
