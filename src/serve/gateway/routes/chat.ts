import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { messageOf } from '../../../errors.ts';
import type { BodyFormat } from '../allowed-fields.ts';
import { takeChatApart, type ImageOrder } from '../chat/chat-request.ts';
import type { PipelineParts } from '../chat/pipeline.ts';
import { replyToPrompt } from '../chat/chat-route.ts';
import { takeTextApart, type TakenApart } from '../chat/taken-apart.ts';
import { awaitEngine } from '../engine-call.ts';
import { GatewayError } from '../errors.ts';
import { estimatePrompt } from '../estimate-prompt.ts';
import type { Json } from '../json.ts';
import { promptEngine } from '../prompt-engine.ts';
import { allowedBody, takenBody, type ClientOf } from './request.ts';

const CHAT = '/v1/chat/completions';
const COMPLETIONS = '/v1/completions';

export type ChatDeps = {
  readonly parts: PipelineParts;
  readonly imageOrder: ImageOrder;
  readonly clientOf: ClientOf;
};

/** The routes whose requests hold a prompt: each waits for a slot and is answered by the model. */
export function registerChat(app: FastifyInstance, deps: ChatDeps): void {
  app.post(CHAT, (request, reply) =>
    answer(deps, CHAT, 'chat', request, reply, (body) => takeChatApart(body, deps.imageOrder)),
  );
  app.post(COMPLETIONS, (request, reply) =>
    answer(deps, COMPLETIONS, 'completions', request, reply, takeTextApart),
  );
  app.post('/mmdeploy/v1/estimate', (request, reply) => estimate(deps, request, reply));
}

function answer(
  deps: ChatDeps,
  path: string,
  format: BodyFormat,
  request: FastifyRequest,
  reply: FastifyReply,
  takeApart: (body: Json) => TakenApart,
): Promise<FastifyReply> {
  const taken = takenBody(request, reply, format, takeApart);
  const client = deps.clientOf(request, reply);
  const route = { path, countPath: `${path}/input_tokens` };
  return replyToPrompt(deps.parts, route, taken, client, request, reply);
}

/** Counts a chat request by the rules, before anything is encoded (`PromptEstimate`). */
async function estimate(deps: ChatDeps, request: FastifyRequest, reply: FastifyReply) {
  const { source, preparer } = deps.parts;
  const chat = allowedBody(request, reply, 'chat');
  const taken = takeChatApart(chat);
  const { tenant, signal } = deps.clientOf(request, reply);
  const engine = promptEngine(await awaitEngine(source, signal), signal.native);
  const media = await preparer.prepare(taken.parts, tenant, signal.native);
  try {
    return await estimatePrompt(chat, taken, media, engine);
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw new GatewayError(502, 'engine_lost', messageOf(error), source.retryAfterSeconds);
  } finally {
    for (const each of media.flat()) each.release();
  }
}
