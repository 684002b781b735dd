import type { FastifyReply, FastifyRequest } from 'fastify';
import type { PreparedMedia, Tenant } from '../../seams.ts';
import type { EngineAnswer } from '../engine-call.ts';
import { notesOf } from '../../observe/request-notes.ts';
import { sendAnswer } from '../forward.ts';
import { answerPrompt, type PipelineParts, type PromptRequest } from './pipeline.ts';
import type { TakenApart } from './taken-apart.ts';
import type { RequestSignal } from '../request-signal.ts';

export type PromptRoute = {
  /** The engine's path for the answer, and the one that counts the same body's tokens. */
  readonly path: string;
  readonly countPath: string;
  /** The answer in the words of another interface; left out: as it is. */
  readonly answerAs?: (answer: EngineAnswer) => EngineAnswer;
};

/**
 * Answers one request with a prompt of any interface. The media stay pinned in the store until the
 * response is over, however it ends.
 */
export async function replyToPrompt(
  parts: PipelineParts,
  route: PromptRoute,
  taken: TakenApart,
  { tenant, signal }: { readonly tenant: Tenant; readonly signal: RequestSignal },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const notes = notesOf(request.raw);
  const prepare = () => pinnedMedia(parts, taken, { tenant, signal, notes }, reply);
  const { accept } = request.headers;
  const { path, countPath } = route;
  const asked = { path, countPath, taken, tenant, signal, accept, notes };
  const { answer, headers } = await answerPrompt(parts, asked, prepare);
  for (const [name, value] of Object.entries(headers)) {
    reply.header(name, typeof value === 'string' ? value : [...value]);
  }
  return sendAnswer(reply, route.answerAs?.(answer) ?? answer);
}

async function pinnedMedia(
  { preparer }: PipelineParts,
  { parts }: TakenApart,
  { tenant, signal, notes }: Pick<PromptRequest, 'tenant' | 'signal' | 'notes'>,
  { raw }: FastifyReply,
): Promise<readonly (readonly PreparedMedia[])[]> {
  if (parts.length === 0) return [];
  notes.stage = 'media';
  const media = await preparer.prepare(parts, tenant, signal.native);
  const release = () => {
    for (const each of media.flat()) each.release();
  };
  if (raw.closed) release();
  else raw.once('close', release);
  return media;
}
