import type { Json } from '../json.ts';
import { asArray, asText, fieldOf } from '../json.ts';

/** A whole answer of a chat as a message of Anthropic's interface. */
export function messageOf(chat: Json): Json {
  const choice = asArray(chat['choices'])[0];
  const message = fieldOf(choice, 'message');
  const usage = chat['usage'];
  return {
    ...emptyMessage(chat),
    content: contentOf(message),
    ...stopOf(fieldOf(choice, 'finish_reason'), stoppingWord(chat)),
    usage: { ...usageOf(usage), ...mediaDetails(usage) },
  };
}

/** What is known before the first word; clients fill it in as the events come. */
export function emptyMessage(chat: Json): Json {
  return {
    id: asText(chat['id']).replace(/^chatcmpl-/, 'msg_'),
    type: 'message',
    role: 'assistant',
    content: [],
    model: chat['model'] ?? null,
    stop_reason: null,
    stop_sequence: null,
  };
}

/** Thoughts carry a signature by which Anthropic knows its own; a local model's have none. */
export function thinkingBlock(thinking: string): Json {
  return { type: 'thinking', thinking, signature: '' };
}

export function stopOf(finish: unknown, word: string | null): Json {
  if (finish === 'tool_calls') return { stop_reason: 'tool_use', stop_sequence: null };
  if (finish === 'length') return { stop_reason: 'max_tokens', stop_sequence: null };
  if (word !== null) return { stop_reason: 'stop_sequence', stop_sequence: word };
  return { stop_reason: 'end_turn', stop_sequence: null };
}

/** The stop sequence that ended an answer, where the engine was asked to tell it (`verbose`). */
export function stoppingWord(chat: Json): string | null {
  return asText(fieldOf(chat['__verbose'], 'stopping_word')) || null;
}

/**
 * A chat's `usage` in Anthropic's words: tokens that the slot held already are not counted among those
 * of the input, and writing a cache is not billed here.
 */
export function usageOf(usage: unknown): Json {
  const cached = numberOf(fieldOf(fieldOf(usage, 'prompt_tokens_details'), 'cached_tokens'));
  return {
    input_tokens: Math.max(0, numberOf(fieldOf(usage, 'prompt_tokens')) - cached),
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cached,
    output_tokens: numberOf(fieldOf(usage, 'completion_tokens')),
  };
}

/** Tokens by modality, which Anthropic's interface does not have, under the name of OpenAI's responses. */
export function mediaDetails(usage: unknown): Json {
  const details = fieldOf(usage, 'prompt_tokens_details');
  const told = ['image_tokens', 'audio_tokens'].flatMap((name) => {
    const value = fieldOf(details, name);
    return typeof value === 'number' ? [[name, value] as const] : [];
  });
  return told.length === 0 ? {} : { input_tokens_details: Object.fromEntries(told) };
}

export function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function contentOf(message: unknown): readonly Json[] {
  const reasoning = asText(fieldOf(message, 'reasoning_content'));
  const words = asText(fieldOf(message, 'content'));
  return [
    ...(reasoning !== '' ? [thinkingBlock(reasoning)] : []),
    ...(words !== '' ? [{ type: 'text', text: words }] : []),
    ...asArray(fieldOf(message, 'tool_calls')).map(toolUse),
  ];
}

function toolUse(call: unknown, at: number): Json {
  const asked = fieldOf(call, 'function');
  return {
    type: 'tool_use',
    id: toolId(fieldOf(call, 'id'), at),
    name: asText(fieldOf(asked, 'name')),
    input: argumentsOf(fieldOf(asked, 'arguments')),
  };
}

/** Clients send it back with the result, so that it may not be empty. */
export function toolId(id: unknown, at: number): string {
  return asText(id) || `toolu_${at}`;
}

/** A call that `max_tokens` cut off is no JSON: its `stop_reason` tells. */
function argumentsOf(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return {};
  }
}
