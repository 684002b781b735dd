import type { FastifyInstance } from 'fastify';
import { replyToPrompt } from '../chat/chat-route.ts';
import { sendAnswer } from '../forward.ts';
import { messagesAnswer } from '../messages/messages-answer.ts';
import { requireMaxTokens, takeMessagesApart } from '../messages/messages-request.ts';
import { fieldOf, parseObject } from '../json.ts';
import type { ChatDeps } from './chat.ts';
import { countPrompt, routeFinder } from './prompts.ts';
import { takenBody } from './request.ts';

const CHAT = '/v1/chat/completions';
const COUNT = `${CHAT}/input_tokens`;

/**
 * Anthropic's Messages: asked of the engine as chats, so that they pass the same firewall, witness and
 * slots, and work with engines that have no such interface.
 */
export function registerMessages(
  app: FastifyInstance,
  { parts, imageOrder, clientOf }: ChatDeps,
): void {
  const requireRoute = routeFinder(parts.source);
  const route = { path: CHAT, countPath: COUNT, answerAs: messagesAnswer };
  app.post('/v1/messages', (request, reply) => {
    const taken = takenBody(request, reply, 'messages', (body) => {
      requireMaxTokens(body);
      return takeMessagesApart(body, imageOrder);
    });
    return replyToPrompt(parts, route, taken, clientOf(request, reply), request, reply);
  });
  app.post('/v1/messages/count_tokens', async (request, reply) => {
    const taken = takenBody(request, reply, 'messages', (body) =>
      takeMessagesApart(body, imageOrder),
    );
    const client = clientOf(request, reply);
    await requireRoute(COUNT, client.signal);
    const answer = await countPrompt(parts, COUNT, taken, client);
    if (answer.status !== 200) return sendAnswer(reply, messagesAnswer(answer));
    return { input_tokens: fieldOf(parseObject(answer.bytes), 'input_tokens') };
  });
}
