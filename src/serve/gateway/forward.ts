import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import type { Cancellation, EngineSource } from '../seams.ts';
import { awaitEngine, callEngine, type EngineAnswer, type Upstream } from './engine-call.ts';

/** Passes one request to the engine and its answer back, as they are. */
export async function forward(
  source: EngineSource,
  upstream: Upstream,
  request: FastifyRequest,
  reply: FastifyReply,
  abort: Cancellation,
): Promise<FastifyReply> {
  const { accept } = request.headers;
  const engine = await awaitEngine(source, abort);
  const answer = await callEngine(source, engine, { ...upstream, accept }, abort);
  return sendAnswer(reply, answer);
}

/** A document in one piece, so that an engine that dies half-way is a clean error; events as they come. */
export function sendAnswer(reply: FastifyReply, answer: EngineAnswer): FastifyReply {
  reply.code(answer.status).header('content-type', answer.type);
  if (answer.kind === 'whole') return reply.send(answer.bytes);
  reply.header('cache-control', 'no-cache').header('x-accel-buffering', 'no');
  return reply.send(Readable.from(answer.events));
}
