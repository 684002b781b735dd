import { GatewayError } from '../gateway/errors.ts';
import type { Cancellation, Tenant, Turn, TurnRequest } from '../seams.ts';
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

  /** `onGone` is called when it gives up before it had its turn (`giveUpWith`). */
  constructor(request: TurnRequest, since: number, onGone: () => void) {
    this.request = request;
    this.since = since;
    this.#onGone = onGone;
    this.hasMedia = neededPieces(request.prefix) > 0;
    this.mediaTokens = tokensOf(request.prefix, 'media');
    this.turn = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get settled(): boolean {
    return this.#settled;
  }

  grant(turn: Turn): void {
    if (this.#settled) return;
    this.#settle();
    this.#resolve(turn);
  }

  refuse(error: GatewayError): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(error);
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

  /**
   * Gives up when its signal is aborted, and after `limitMs` without a turn (504); absent: no such limit.
   * To be called once it is known that it has to wait: most have their turn in the same step.
   */
  giveUpWith(limitMs: number | undefined): void {
    this.request.signal.addEventListener('abort', this.#onAbort);
    if (limitMs === undefined) return;
    this.#expiry = setTimeout(() => {
      const message = `no slot became free within ${Math.round(limitMs / 1000)} s`;
      this.#giveUp(new GatewayError(504, 'queue_timeout', message));
    }, limitMs);
  }

  #giveUp(error: GatewayError): void {
    this.refuse(error);
    this.#onGone();
  }

  #settle(): void {
    this.#settled = true;
    clearTimeout(this.#patience ?? undefined);
    clearTimeout(this.#expiry ?? undefined);
    this.request.signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => this.#giveUp(goneError(this.request.signal));
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
export function goneError({ reason }: Cancellation): GatewayError {
  if (reason instanceof GatewayError) return reason;
  return new GatewayError(499, 'client_closed_request', 'the client hung up');
}
