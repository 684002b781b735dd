import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ASK_SCHEMA, type AskResult } from '../contracts/ask.ts';
import { MmdeployError, messageOf } from '../errors.ts';
import { ChatClient, type ChatRequest } from '../serve/client/chat-client.ts';
import { prepareImage } from '../serve/client/image-file.ts';
import { serverUrl } from '../serve/client/server-url.ts';
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
  const url = serverUrl(request.url);
  const chat = await chatRequest(request, ctx);
  const client = new ChatClient({ url, apiKey: request.apiKey }, ctx.signal);
  try {
    const estimated = await client.estimate(chat);
    const askedAt = ctx.now().getTime();
    const since = () => `${ctx.now().getTime() - askedAt} ms`;
    ctx.trace(`asking: POST ${url}/v1/chat/completions`);
    let begun = false;
    const onText = (text: string) => {
      if (!begun) ctx.trace(`first words after ${since()}`);
      begun = true;
      write(text);
    };
    const answer = request.stream ? await client.stream(chat, onText) : await client.complete(chat);
    ctx.trace(`whole answer after ${since()}, finish reason ${answer.finishReason ?? 'unknown'}`);
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

async function chatRequest(request: AskRequest, ctx: Context): Promise<ChatRequest> {
  const images: unknown[] = [];
  // One after the other: a folder of photos must not be held in memory twice.
  for (const path of request.images) images.push(await imagePart(path, ctx));
  const content = [...images, { type: 'text', text: request.question }];
  return {
    messages: [{ role: 'user', content }],
    ...(request.maxTokens === null ? {} : { max_tokens: request.maxTokens }),
  };
}

async function imagePart(path: string, ctx: Context): Promise<unknown> {
  const bytes = await readFile(resolve(ctx.cwd, path)).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  const image = await prepareImage(bytes);
  if (image.kind === 'no-image') {
    throw new MmdeployError('input.invalid', `\`${path}\` is not an image`, {
      hints: ['give a photo or a picture: `mmdeploy ask "what is this?" --image FILE.jpg`'],
    });
  }
  if (image.kind === 'undecodable') {
    const what = `\`${path}\` (${image.format}) cannot be decoded here: ${image.reason}`;
    throw new MmdeployError('input.invalid', what, {
      hints: [
        'save it as JPEG or PNG and ask about that: `mmdeploy ask "what is this?" --image FILE.jpg`',
      ],
    });
  }
  if (image.change !== null) ctx.notice(`image     ${path}: ${image.change}`);
  ctx.trace(`image: ${path}: ${image.mime}, ${image.bytes.length} of ${bytes.length} bytes`);
  return {
    type: 'image_url',
    image_url: { url: `data:${image.mime};base64,${image.bytes.toString('base64')}` },
  };
}

function unreadable(path: string, error: unknown): MmdeployError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') {
    return new MmdeployError('file.missing', `no such file: \`${path}\``, {
      hints: [
        'give the path of an image: `mmdeploy ask "what is this?" --image FILE.jpg`',
        'the question is one argument: put quotes around it',
      ],
      cause: error,
    });
  }
  const why = code === 'EISDIR' ? 'it is a folder' : messageOf(error);
  return new MmdeployError('file.unreadable', `cannot read \`${path}\`: ${why}`, {
    hints: ['give image files: `mmdeploy ask "what is this?" --image FILE.jpg`'],
    cause: error,
  });
}
