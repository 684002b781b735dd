import type { Pool } from 'undici';
import { z } from 'zod';
import { messageOf } from '../../errors.ts';
import { GatewayError } from './errors.ts';
import type { PromptEngine } from './estimate-prompt.ts';

const rendered = z.object({ prompt: z.string() });
const tokenized = z.object({ tokens: z.array(z.unknown()) });
const props = z.object({ media_marker: z.string().min(1).optional() });

/** Marker of builds that do not state theirs. */
const FIXED_MARKER = '<__media__>';

/** `PromptEngine` over the HTTP interface of a running llama-server. */
export function promptEngine(engine: Pool, signal: AbortSignal): PromptEngine {
  const ask = <T>(path: string, body: unknown, schema: z.ZodType<T>) =>
    askEngine(engine, signal, path, body, schema);
  return {
    render: async (request) => (await ask('/apply-template', request, rendered)).prompt,
    countTokens: async (content, addSpecial) => {
      if (content === '' && !addSpecial) return 0;
      const body = { content, add_special: addSpecial, parse_special: true };
      return (await ask('/tokenize', body, tokenized)).tokens.length;
    },
    mediaMarker: async () => (await ask('/props', null, props)).media_marker ?? FIXED_MARKER,
  };
}

/** One question to the engine; throws `GatewayError` with its status and words, or 502 for an odd answer. */
export async function askEngine<T>(
  engine: Pool,
  signal: AbortSignal,
  path: string,
  body: unknown,
  schema: z.ZodType<T>,
): Promise<T> {
  const response = await engine.request({
    path,
    method: body === null ? 'GET' : 'POST',
    body: body === null ? null : JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    signal,
  });
  const text = await response.body.text();
  if (response.statusCode !== 200) {
    throw new GatewayError(
      response.statusCode,
      'engine_refused',
      `the engine said: ${wordsOf(text)}`,
    );
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new GatewayError(502, 'engine_answer', `${path} answered oddly: ${messageOf(error)}`);
  }
}

const engineError = z.object({ error: z.object({ message: z.string() }) });

/** The message of an engine's error object, else its whole text, shortened. */
function wordsOf(text: string): string {
  try {
    return engineError.parse(JSON.parse(text)).error.message;
  } catch {
    return text.slice(0, 500);
  }
}
