import type { EngineAnswer, StreamEnd } from '../engine-call.ts';
import type { Json } from '../json.ts';
import { fieldOf, isObject } from '../json.ts';
import { messagesErrorType } from './errors.ts';
import { messageOf } from './message.ts';
import { MessageEvents } from './message-events.ts';

/** A chat's answer in the words of Anthropic's interface. */
export function messagesAnswer(answer: EngineAnswer): EngineAnswer {
  if (answer.kind === 'events') return { ...answer, events: messageEvents(answer.events) };
  const told = JSON.parse(answer.bytes.toString('utf8')) as unknown;
  const document =
    answer.status === 200 && isObject(told) ? messageOf(told) : refusal(answer, told);
  return { ...answer, bytes: Buffer.from(JSON.stringify(document)) };
}

/** The engine's own error: its words without `src`, which says that the gateway speaks. */
function refusal({ status }: EngineAnswer, told: unknown): Json {
  const message = fieldOf(fieldOf(told, 'error'), 'message') ?? 'the engine refused the request';
  return { type: 'error', error: { type: messagesErrorType(status), message } };
}

async function* messageEvents(
  events: AsyncGenerator<Buffer, StreamEnd>,
): AsyncGenerator<Buffer, StreamEnd> {
  const message = new MessageEvents();
  try {
    for (;;) {
      const next = await events.next();
      const text = next.done === true ? message.finish() : message.translate(next.value.toString());
      if (text !== '') yield Buffer.from(text);
      if (next.done === true) return next.value;
    }
  } finally {
    await events.return('aborted');
  }
}
