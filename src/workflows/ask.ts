import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ASK_SCHEMA, type AskResult } from '../contracts/ask.ts';
import { MmdeployError, messageOf } from '../errors.ts';
import { ChatClient, type ChatRequest } from '../serve/client/chat-client.ts';
import { imageKind } from '../serve/client/image-kind.ts';
import type { Context } from './context.ts';

export type AskRequest = {
  readonly question: string;
  /** Image files, in the order in which the model shall see them, before the question. */
  readonly images: readonly string[];
  /** Base of the server, with or without `/v1`. */
  readonly url: string;
  readonly maxTokens: number | null;
  readonly apiKey: string | null;
  /** Hand the answer on word by word, or at once when it is complete. */
  readonly stream: boolean;
};

/**
 * Asks a running server about images: the answer goes to `write` as it comes; the result tells what
 * the request was estimated to cost and what the engine billed for it.
 */
export async function askWorkflow(
  request: AskRequest,
  ctx: Context,
  write: (text: string) => void,
): Promise<AskResult> {
  const chat = await chatRequest(request, ctx.cwd);
  const url = request.url.replace(/\/+$/, '').replace(/\/v1$/, '');
  const client = new ChatClient({ url, apiKey: request.apiKey }, ctx.signal);
  try {
    const estimated = await client.estimate(chat);
    const answer = request.stream ? await client.stream(chat, write) : await client.complete(chat);
    if (!request.stream) write(answer.text);
    const billed = answer.promptTokens;
    const expected = estimated?.total ?? null;
    return {
      schema: ASK_SCHEMA,
      question: request.question,
      images: request.images,
      answer: answer.text,
      estimated,
      billed,
      completionTokens: answer.completionTokens,
      difference: billed === null || expected === null ? null : billed - expected,
      finishReason: answer.finishReason,
    };
  } finally {
    await client.close();
  }
}

async function chatRequest(request: AskRequest, cwd: string): Promise<ChatRequest> {
  const images = await Promise.all(request.images.map((path) => imagePart(path, cwd)));
  const content = [...images, { type: 'text', text: request.question }];
  return {
    messages: [{ role: 'user', content }],
    ...(request.maxTokens === null ? {} : { max_tokens: request.maxTokens }),
  };
}

async function imagePart(path: string, cwd: string): Promise<unknown> {
  const bytes = await readFile(resolve(cwd, path)).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  const is = imageKind(bytes);
  if (is.kind === 'sendable') {
    const url = `data:${is.mime};base64,${bytes.toString('base64')}`;
    return { type: 'image_url', image_url: { url } };
  }
  const what =
    is.kind === 'no-image' ? 'not an image' : `${is.format}, which llama-server cannot read`;
  throw new MmdeployError('input.invalid', `\`${path}\` is ${what}`, {
    hints: ['give a PNG or JPEG file: `mmdeploy ask "…" --image FILE.png`'],
  });
}

function unreadable(path: string, error: unknown): MmdeployError {
  const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
  return missing
    ? new MmdeployError('file.missing', `no such file: \`${path}\``, {
        hints: ['give the path of an image: `mmdeploy ask "…" --image FILE`'],
        cause: error,
      })
    : new MmdeployError('file.unreadable', `cannot read \`${path}\`: ${messageOf(error)}`, {
        cause: error,
      });
}
