import type { Pool } from 'undici';
import { messageOf } from '../../errors.ts';
import type { Cancellation, EngineSource } from '../seams.ts';
import { exchange, type WholeAnswer } from './engine-exchange.ts';
import { GatewayError, errorEvent } from './errors.ts';

export type Upstream = {
  readonly path: string;
  readonly method: 'GET' | 'POST';
  readonly body: Buffer | string | null;
  /** What the client takes; an engine answers errors and documents by it. */
  readonly accept?: string | undefined;
  /** It asks for a stream; false where it is not known. */
  readonly streams?: boolean;
};

/**
 * What the engine answered, once it is known that it did: a whole document, or a stream of which the
 * first event is there. Until then nothing is promised to a client, so that the request can be sent again.
 */
export type EngineAnswer =
  | WholeAnswer
  | {
      readonly kind: 'events';
      readonly status: number;
      readonly type: string;
      /** Whole events, one chunk or more at a time; ends with an error event when the engine goes away. */
      readonly events: AsyncGenerator<Buffer, StreamEnd>;
    };

/** How a stream ended; `lost` after the error event was given out. */
export type StreamEnd = 'done' | 'lost' | 'aborted';

/** The code of every error that says so, whoever noticed. */
const ENGINE_LOST = 'engine_lost';

/** The engine went away before a byte of its answer: another one may be asked. */
export class EngineLost extends GatewayError {
  /** It may have begun: false where there was nobody to connect to. */
  readonly reached: boolean;

  /** `cause`: the error that the connection ended with, or in words why there was none. */
  constructor(cause: unknown, retryAfter: number) {
    const message = `the engine closed the connection before its answer was complete (${messageOf(cause)})`;
    super(502, ENGINE_LOST, message, retryAfter);
    this.reached = cause instanceof Error && !('syscall' in cause && cause.syscall === 'connect');
  }
}

/** Whether `error` is the end of a connection: of the system's own kinds, or undici's name for them. */
export function isConnectionEnd(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false;
  return /^(?:UND_ERR_(?:SOCKET|DESTROYED|CLOSED)|E[A-Z]+)$/.test(String(error.code));
}

/** The engine, or the error that tells a client to come again. */
export function readyEngine(source: EngineSource): Pool {
  if (source.engine !== null) return source.engine;
  throw new GatewayError(
    503,
    'engine_not_ready',
    'the engine is starting or restarting',
    source.retryAfterSeconds,
  );
}

/**
 * The engine, for a request that is to be answered: one that sleeps is woken, and a restart that is under
 * way is waited for. Before the first start, and while a crash loop backs off, the client is told at once
 * to come again. Throws `GatewayError` 503, or the reason of `signal`.
 */
export async function awaitEngine(source: EngineSource, signal: Cancellation): Promise<Pool> {
  const neverReady = source.life === 0;
  if (source.asleep !== true && (neverReady || source.retryAfterSeconds > 1)) {
    return readyEngine(source);
  }
  try {
    return await source.whenReady(signal);
  } catch (error) {
    if (signal.aborted || error instanceof GatewayError) throw error;
    throw new GatewayError(503, 'engine_gone', messageOf(error), source.retryAfterSeconds);
  }
}

/**
 * Sends one request to the engine. `abort` ends its work, whether the client has hung up or the server
 * stops. Throws `EngineLost` while nothing of the answer was given out.
 */
export async function callEngine(
  source: EngineSource,
  engine: Pool,
  { path, method, body, accept, streams = false }: Upstream,
  abort: Cancellation,
): Promise<EngineAnswer> {
  const lost = (error: unknown) => lostEngine(source, abort, error);
  const request = { path, method, body, accept: accept ?? 'application/json', streams };
  const answer = await exchange(engine, request, abort).catch((error: unknown) => {
    throw lost(error);
  });
  if (answer.kind === 'events') {
    const { kind, status, type, chunks } = answer;
    const rest = wholeEvents(chunks, lost);
    const first = await rest.next();
    return { kind, status, type, events: resume(first, rest, source) };
  }
  if (answer.status < 400) source.requestCompleted();
  return answer;
}

async function* resume(
  first: IteratorResult<Buffer, StreamEnd>,
  rest: AsyncGenerator<Buffer, StreamEnd>,
  source: EngineSource,
): AsyncGenerator<Buffer, StreamEnd> {
  try {
    if (first.done === true) return first.value;
    yield first.value;
    const end = yield* rest;
    if (end === 'done') source.requestCompleted();
    return end;
  } finally {
    // A consumer that stops early must not leave the connection open.
    await rest.return('aborted');
  }
}

/**
 * The stream's events, each passed on as soon as it is complete and never cut: when the engine dies
 * the half event is dropped and an error event ends the stream, which a client can tell from an end.
 * Throws instead while there was no event yet.
 */
async function* wholeEvents(
  body: AsyncIterable<Buffer>,
  lost: (error: unknown) => GatewayError,
): AsyncGenerator<Buffer, StreamEnd> {
  let pending: Buffer = Buffer.alloc(0);
  let begun = false;
  try {
    for await (const chunk of body) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      const end = pending.lastIndexOf('\n\n');
      if (end === -1) continue;
      yield pending.subarray(0, end + 2);
      begun = true;
      pending = pending.subarray(end + 2);
    }
  } catch (error) {
    const reason = lost(error);
    if (!begun) throw reason;
    yield Buffer.from(errorEvent(reason.status, reason.code, reason.message));
    return reason instanceof EngineLost ? 'lost' : 'aborted';
  }
  if (pending.length > 0) yield pending;
  return 'done';
}

/** What broke a call: the client, the server's stop, or the engine. */
function lostEngine(source: EngineSource, abort: Cancellation, error: unknown): GatewayError {
  if (abort.aborted) return abort.reason instanceof GatewayError ? abort.reason : clientGone();
  return new EngineLost(error, source.retryAfterSeconds);
}

/** Never seen by a client: 499 is what a log calls a request whose client hung up. */
export function clientGone(): GatewayError {
  return new GatewayError(499, 'client_closed_request', 'the client hung up');
}
