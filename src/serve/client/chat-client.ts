import { request as httpRequest, Agent, type Dispatcher } from 'undici';
import { z } from 'zod';
import type { PromptEstimate } from '../../contracts/ask.ts';
import { CONFIDENCES } from '../../contracts/basis.ts';
import { MmdeployError, messageOf } from '../../errors.ts';
import { createEventParser } from './sse.ts';

export type ChatServer = {
  /** Base without `/v1`: `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly apiKey: string | null;
};

export type ChatRequest = {
  readonly messages: readonly unknown[];
  readonly max_tokens?: number;
};

export type ChatAnswer = {
  readonly text: string;
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  readonly finishReason: string | null;
};

const usageSchema = z.object({ prompt_tokens: z.int(), completion_tokens: z.int() });
const choiceSchema = z.object({
  finish_reason: z.string().nullish(),
  message: z.object({ content: z.string().nullish() }).optional(),
  delta: z.object({ content: z.string().nullish() }).optional(),
});
const completionSchema = z.object({
  choices: z.array(choiceSchema).default([]),
  usage: usageSchema.nullish(),
});
const errorSchema = z.object({ error: z.object({ message: z.string() }) });
const count = z.int().nonnegative();
const estimateSchema: z.ZodType<PromptEstimate> = z.object({
  text: count,
  image: count.nullable(),
  wrapper: count.nullable(),
  total: count.nullable(),
  confidence: z.enum(CONFIDENCES),
});

/** A chat server spoken to over HTTP: ours, or any that follows OpenAI's interface. */
export class ChatClient {
  readonly #server: ChatServer;
  readonly #signal: AbortSignal;
  /** No time-outs: a first image on a CPU takes minutes. The person's Ctrl-C is the limit. */
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });

  constructor(server: ChatServer, signal: AbortSignal) {
    this.#server = server;
    this.#signal = signal;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /** The server's estimate for this chat; null from a server that has no such route or cannot tell. */
  async estimate(chat: ChatRequest): Promise<PromptEstimate | null> {
    const response = await this.#post('/mmdeploy/v1/estimate', chat);
    const text = await response.body.text();
    if (response.statusCode !== 200) return null;
    return estimateSchema.safeParse(parseJson(text)).data ?? null;
  }

  /** The whole answer at once. Throws `request.failed` with the server's words. */
  async complete(chat: ChatRequest): Promise<ChatAnswer> {
    const response = await this.#post('/v1/chat/completions', chat);
    const text = await this.#read(response.body.text());
    if (response.statusCode !== 200) throw this.#refused(response.statusCode, text);
    const { choices, usage } = this.#parse(text);
    return {
      text: choices[0]?.message?.content ?? '',
      promptTokens: usage?.prompt_tokens ?? null,
      completionTokens: usage?.completion_tokens ?? null,
      finishReason: choices[0]?.finish_reason ?? null,
    };
  }

  /** The same, handing each piece of text to `onText` as it comes. */
  async stream(chat: ChatRequest, onText: (text: string) => void): Promise<ChatAnswer> {
    const body = { ...chat, stream: true, stream_options: { include_usage: true } };
    const response = await this.#post('/v1/chat/completions', body);
    if (response.statusCode !== 200) {
      throw this.#refused(response.statusCode, await this.#read(response.body.text()));
    }
    let answer: ChatAnswer = {
      text: '',
      promptTokens: null,
      completionTokens: null,
      finishReason: null,
    };
    for await (const event of this.#events(response.body)) {
      if (event === '[DONE]') return answer;
      const { choices, usage } = this.#parse(event);
      const text = choices[0]?.delta?.content ?? '';
      if (text !== '') onText(text);
      answer = {
        text: answer.text + text,
        promptTokens: usage?.prompt_tokens ?? answer.promptTokens,
        completionTokens: usage?.completion_tokens ?? answer.completionTokens,
        finishReason: choices[0]?.finish_reason ?? answer.finishReason,
      };
    }
    throw new MmdeployError('request.failed', 'the answer broke off: the stream ended too early');
  }

  async *#events(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
    const decoder = new TextDecoder();
    const parse = createEventParser();
    try {
      for await (const chunk of body) yield* parse(decoder.decode(chunk, { stream: true }));
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #parse(text: string): z.infer<typeof completionSchema> {
    const value = parseJson(text);
    const refused = errorSchema.safeParse(value);
    if (refused.success) throw new MmdeployError('request.failed', refused.data.error.message);
    const completion = completionSchema.safeParse(value);
    if (completion.success) return completion.data;
    throw new MmdeployError(
      'request.failed',
      `${this.#server.url} did not answer as a chat server`,
      {
        details: [text.slice(0, 300)],
      },
    );
  }

  async #post(path: string, body: unknown): Promise<Dispatcher.ResponseData> {
    const { url, apiKey } = this.#server;
    return this.#read(
      httpRequest(url + path, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
        },
        body: JSON.stringify(body),
        signal: this.#signal,
        dispatcher: this.#agent,
      }),
    );
  }

  async #read<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #failed(error: unknown): MmdeployError {
    if (error instanceof MmdeployError) return error;
    if (this.#signal.aborted) return new MmdeployError('interrupted', 'stopped before the answer');
    const code = (error as { code?: unknown }).code;
    if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'UND_ERR_CONNECT_TIMEOUT') {
      return new MmdeployError(
        'request.failed',
        `nothing answers at ${this.#server.url} (${code})`,
        {
          hints: [
            'start a server: `mmdeploy serve MODEL`',
            'or ask the demo model, which needs none: `mmdeploy ask "…" --image FILE --demo`',
          ],
          cause: error,
        },
      );
    }
    const message = `the connection to ${this.#server.url} broke: ${messageOf(error)}`;
    return new MmdeployError('request.failed', message, { cause: error });
  }

  #refused(status: number, text: string): MmdeployError {
    const words = errorSchema.safeParse(parseJson(text)).data?.error.message ?? text.slice(0, 300);
    return new MmdeployError('request.failed', `the server answered ${status}: ${words}`, {
      hints: refusalHints(status, words),
    });
  }
}

/** What helps against the refusals that a person meets; the words are llama-server's. */
function refusalHints(status: number, words: string): string[] {
  if (status === 401) {
    return ['give its key in the environment: `OPENAI_API_KEY=KEY mmdeploy ask …`'];
  }
  if (/exceeds the available context size/.test(words)) {
    return ['serve the model with a larger context: `mmdeploy serve MODEL --context 32768`'];
  }
  if (/failed to load image/i.test(words)) {
    return ['an image is damaged: open it in a viewer and save it again as JPEG or PNG'];
  }
  return [];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
