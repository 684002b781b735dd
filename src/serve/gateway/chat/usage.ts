import type { PreparedMedia, PromptUsage } from '../../seams.ts';
import type { Json } from '../json.ts';
import { fieldOf, isObject } from '../json.ts';

/** Tokens of a request's media by kind, films among the images, with the marks around them; null where the rule is unknown. */
export type MediaUsage = {
  readonly image: number | null;
  readonly audio: number | null;
};

export function mediaUsage(media: readonly Pick<PreparedMedia, 'kind' | 'tokens'>[]): MediaUsage {
  const sum = (wanted: keyof MediaUsage): number | null => {
    let tokens = 0;
    for (const each of media) {
      if ((each.kind === 'audio') !== (wanted === 'audio')) continue;
      if (each.tokens === null) return null;
      tokens += each.tokens.media + each.tokens.wrapper;
    }
    return tokens;
  };
  return { image: sum('image'), audio: sum('audio') };
}

/**
 * A document (an answer, or one event of a stream) with its `usage` told by modality, in OpenAI's
 * words: `prompt_tokens_details.image_tokens` and `audio_tokens`, for `/v1/responses` in
 * `input_tokens_details`. A document without usage is itself.
 */
export function withMediaUsage(document: Json, usage: MediaUsage): Json {
  const { response } = document;
  // The last event of a stream of `/v1/responses` holds the whole document.
  if (isObject(response)) return { ...document, response: withMediaUsage(response, usage) };
  const told = document['usage'];
  if (!isObject(told)) return document;
  const name = 'input_tokens' in told ? 'input_tokens_details' : 'prompt_tokens_details';
  const details = isObject(told[name]) ? told[name] : {};
  return {
    ...document,
    usage: {
      ...told,
      [name]: {
        ...details,
        ...(usage.image === null ? {} : { image_tokens: usage.image }),
        ...(usage.audio === null ? {} : { audio_tokens: usage.audio }),
      },
    },
  };
}

/**
 * Whole events of a stream with their usage told by modality. Only an event that holds a usage is
 * parsed (the last but one of a stream); all others are the very same bytes.
 */
export function eventsWithMediaUsage(events: Buffer, usage: MediaUsage): Buffer {
  if (!events.includes('"usage":{')) return events;
  const told = events
    .toString('utf8')
    .split('\n')
    .map((line) => lineWithUsage(line, usage));
  return Buffer.from(told.join('\n'));
}

function lineWithUsage(line: string, usage: MediaUsage): string {
  if (!line.startsWith('data: {') || !line.includes('"usage":{')) return line;
  try {
    const event: unknown = JSON.parse(line.slice('data: '.length));
    return isObject(event) ? `data: ${JSON.stringify(withMediaUsage(event, usage))}` : line;
  } catch {
    // Not JSON after all: the engine's words go through as they are.
    return line;
  }
}

/**
 * Tokens of the prompt by the `usage` of an answer, or of one event of its stream, in any of the
 * interfaces; null where it has none.
 */
export function promptTokensOf(document: unknown): number | null {
  const usage = fieldOf(document, 'usage') ?? fieldOf(fieldOf(document, 'response'), 'usage');
  const tokens = fieldOf(usage, 'prompt_tokens') ?? fieldOf(usage, 'input_tokens');
  return typeof tokens === 'number' ? tokens : null;
}

/** What the engine says of the prompt it answered: tokens, and how many of them its slot already held. */
export function promptUsage(document: Json): PromptUsage | undefined {
  const usage = document['usage'];
  const promptTokens = fieldOf(usage, 'prompt_tokens') ?? fieldOf(usage, 'input_tokens');
  const details = fieldOf(usage, 'prompt_tokens_details') ?? fieldOf(usage, 'input_tokens_details');
  const cachedTokens = fieldOf(details, 'cached_tokens');
  if (typeof promptTokens !== 'number' || typeof cachedTokens !== 'number') return undefined;
  return { promptTokens, cachedTokens };
}
