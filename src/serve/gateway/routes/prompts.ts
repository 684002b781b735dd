import type { FastifyInstance } from 'fastify';
import type { Cancellation, EngineSource } from '../../seams.ts';
import type { BodyFormat } from '../allowed-fields.ts';
import { replyToPrompt, type PromptRoute } from '../chat/chat-route.ts';
import type { PipelineParts } from '../chat/pipeline.ts';
import type { TakenApart } from '../chat/taken-apart.ts';
import { callEngine, type EngineAnswer } from '../engine-call.ts';
import { GatewayError } from '../errors.ts';
import type { Json } from '../json.ts';
import { takenBody, type Client, type ClientOf } from './request.ts';

export type PromptRouteOptions = PromptRoute & {
  readonly format: BodyFormat;
  readonly takeApart: (request: Json) => TakenApart;
};

/**
 * An interface with prompts that not every engine has: one route for answers, one that counts. What the
 * engine has is asked once in its life, with a body that it refuses before it does any work.
 */
export function registerPrompts(
  app: FastifyInstance,
  parts: PipelineParts,
  clientOf: ClientOf,
  { format, takeApart, ...route }: PromptRouteOptions,
): void {
  const requireRoute = routeFinder(parts.source);
  app.post(route.path, async (request, reply) => {
    const taken = takenBody(request, reply, format, takeApart);
    const client = clientOf(request, reply);
    await requireRoute(route.path, client.signal);
    return replyToPrompt(parts, route, taken, client, request, reply);
  });
  app.post(route.countPath, async (request, reply) => {
    const taken = takenBody(request, reply, format, takeApart);
    const client = clientOf(request, reply);
    await requireRoute(route.countPath, client.signal);
    const answer = await countPrompt(parts, route.countPath, taken, client);
    return reply.code(answer.status).header('content-type', answer.type).send(answer.bytes);
  });
}

/** The engine's count of a prompt with its media; nothing is encoded. */
export async function countPrompt(
  { preparer, source }: PipelineParts,
  path: string,
  taken: TakenApart,
  { tenant, signal }: Client,
): Promise<Extract<EngineAnswer, { kind: 'whole' }>> {
  const media =
    taken.parts.length === 0 ? [] : await preparer.prepare(taken.parts, tenant, signal.native);
  try {
    const body = JSON.stringify(taken.putBack(media));
    const engine = await source.whenReady(signal);
    const answer = await callEngine(source, engine, { path, method: 'POST', body }, signal);
    if (answer.kind === 'whole') return answer;
    throw new GatewayError(502, 'engine_answer', 'a stream of counts');
  } finally {
    for (const each of media.flat()) each.release();
  }
}

/** Throws `unsupported_route` (501) where the engine has no such route. */
export function routeFinder(
  source: EngineSource,
): (path: string, signal: Cancellation) => Promise<void> {
  const known = new Map<string, boolean>();
  let life = -1;
  return async (path, signal) => {
    const engine = await source.whenReady(signal);
    if (life !== source.life) known.clear();
    life = source.life;
    let has = known.get(path);
    if (has === undefined) {
      const asked = { path, method: 'POST', body: '{}' } as const;
      has = (await callEngine(source, engine, asked, signal)).status !== 404;
      known.set(path, has);
    }
    if (has) return;
    const message = `this engine has no ${path}: use /v1/chat/completions`;
    throw new GatewayError(501, 'unsupported_route', message);
  };
}
