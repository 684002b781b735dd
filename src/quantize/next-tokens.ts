import { Agent, request } from 'undici';
import { z } from 'zod';
import { MmdeployError, messageOf } from '../errors.ts';
import type { SeenAnswer } from './drift.ts';

/** One question to the engine. */
export type DriftInput = {
  /** As the person named it. */
  readonly name: string;
  /** Parts of the message, as a chat request holds them. */
  readonly content: readonly unknown[];
};

/** Enough that what is left out is some millionths with a model that knows its language. */
export const TOP_TOKENS = 1024;
export const MOST_POSITIONS = 8;

const tokenSchema = z.object({ id: z.int(), logprob: z.number().nullable() });
const answerSchema = z.object({
  choices: z
    .array(
      z.object({
        logprobs: z.object({
          content: z.array(
            z
              .object({ id: z.int(), top_logprobs: z.array(tokenSchema).min(1) })
              .transform((at) => ({
                chosen: at.id,
                top: at.top_logprobs,
              })),
          ),
        }),
      }),
    )
    .min(1),
});
const errorSchema = z.object({ error: z.object({ message: z.string() }) });

/**
 * The distributions of the first tokens that the llama-server at `url` answers with, greedily, one
 * answer for each input. Throws `request.failed` naming the input, or that the engine gave out.
 */
export async function nextTokens(
  url: string,
  inputs: readonly DriftInput[],
  signal: AbortSignal,
  onInput: (done: number) => void,
): Promise<SeenAnswer[]> {
  // No time-outs: a first image on a CPU takes minutes. A dead engine resets the connection.
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  const answers: SeenAnswer[] = [];
  try {
    for (const [at, input] of inputs.entries()) {
      onInput(at);
      answers.push(await answerTo(url, input, { signal, dispatcher: agent }));
    }
    return answers;
  } finally {
    await agent.destroy();
  }
}

async function answerTo(
  url: string,
  input: DriftInput,
  options: { readonly signal: AbortSignal; readonly dispatcher: Agent },
): Promise<SeenAnswer> {
  const body = JSON.stringify({
    messages: [{ role: 'user', content: input.content }],
    ...{ max_tokens: MOST_POSITIONS, temperature: 0, seed: 0, cache_prompt: false },
    ...{ logprobs: true, top_logprobs: TOP_TOKENS },
  });
  const headers = { 'content-type': 'application/json' };
  const reply = await request(`${url}/v1/chat/completions`, {
    ...{ method: 'POST', headers, body, ...options },
  })
    .then(async (response) => ({
      status: response.statusCode,
      text: await response.body.text(),
    }))
    .catch((error: unknown) => {
      if (options.signal.aborted) throw new MmdeployError('interrupted', 'interrupted');
      const why = `the engine broke off at ${input.name}: ${messageOf(error)}`;
      throw new MmdeployError('request.failed', why, { cause: error });
    });
  const value = parsed(reply.text);
  const answer = answerSchema.safeParse(value).data?.choices[0];
  if (reply.status === 200 && answer !== undefined) return answer.logprobs.content;
  const words = errorSchema.safeParse(value).data?.error.message;
  throw new MmdeployError(
    'request.failed',
    `${input.name}: the engine answered ${reply.status}: ${words ?? 'without token probabilities'}`,
    /context/.test(words ?? '') ? { hints: ['take smaller pictures: `--images FILE`'] } : {},
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
