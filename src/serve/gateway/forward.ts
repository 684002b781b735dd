import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import type { Dispatcher, Pool } from 'undici';
import { messageOf } from '../../errors.ts';
import type { EngineSource } from '../seams.ts';
import { GatewayError, errorEvent } from './errors.ts';

export type Upstream = {
  readonly path: string;
  readonly method: 'GET' | 'POST';
  readonly body: Buffer | null;
};

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
 * Passes one request to the engine and its answer back: a stream of events as it comes, anything
 * else once it is complete, so that an engine that dies half-way is a clean 502. `abort` ends the
 * engine's work, whether the client has hung up or the server stops.
 */
export async function forward(
  source: EngineSource,
  upstream: Upstream,
  request: FastifyRequest,
  reply: FastifyReply,
  abort: AbortSignal,
): Promise<FastifyReply> {
  const engine = readyEngine(source);
  const response = await engine
    .request({
      ...upstream,
      headers: {
        'content-type': 'application/json',
        accept: request.headers.accept ?? 'application/json',
      },
      signal: abort,
    })
    .catch((error: unknown) => {
      throw lostEngine(source, abort, error);
    });
  const type = contentTypeOf(response);
  reply.code(response.statusCode).header('content-type', type);
  if (type.startsWith('text/event-stream')) {
    const events = wholeEvents(source, response.body, abort);
    // Until the first event nothing is promised: an engine that dies before it is a plain 502.
    const first = await events.next();
    reply.header('cache-control', 'no-cache').header('x-accel-buffering', 'no');
    return reply.send(Readable.from(resume(first, events)));
  }
  const bytes = await response.body.bytes().catch((error: unknown) => {
    throw lostEngine(source, abort, error);
  });
  if (response.statusCode < 400) source.requestCompleted();
  return reply.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

async function* resume(
  first: IteratorResult<Buffer, void>,
  rest: AsyncGenerator<Buffer>,
): AsyncGenerator<Buffer> {
  if (first.done !== true) yield first.value;
  yield* rest;
}

/**
 * The stream's events, each passed on as soon as it is complete and never cut: when the engine dies
 * the half event is dropped and an error event ends the stream, which a client can tell from an end.
 * Throws instead while there was no event yet.
 */
async function* wholeEvents(
  source: EngineSource,
  body: AsyncIterable<Uint8Array>,
  abort: AbortSignal,
): AsyncGenerator<Buffer> {
  let pending = Buffer.alloc(0);
  let begun = false;
  try {
    for await (const chunk of body) {
      pending = pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([pending, chunk]);
      const end = pending.lastIndexOf('\n\n');
      if (end === -1) continue;
      yield pending.subarray(0, end + 2);
      begun = true;
      pending = pending.subarray(end + 2);
    }
  } catch (error) {
    const lost = lostEngine(source, abort, error);
    if (!begun) throw lost;
    const { status, code, message } = lost;
    yield Buffer.from(errorEvent(status, code, message));
    return;
  }
  source.requestCompleted();
  if (pending.length > 0) yield pending;
}

function lostEngine(source: EngineSource, abort: AbortSignal, error: unknown): GatewayError {
  if (abort.aborted) return abort.reason instanceof GatewayError ? abort.reason : clientGone();
  return new GatewayError(
    502,
    'engine_lost',
    `the engine closed the connection before its answer was complete (${messageOf(error)})`,
    source.retryAfterSeconds,
  );
}

/** Never seen by a client: 499 is what a log calls a request whose client hung up. */
function clientGone(): GatewayError {
  return new GatewayError(499, 'client_closed_request', 'the client hung up');
}

function contentTypeOf({ headers }: Dispatcher.ResponseData): string {
  const value = headers['content-type'];
  return (Array.isArray(value) ? value[0] : value) ?? 'application/json';
}
