import { z } from 'zod';
import { MmdeployError, messageOf } from '../errors.ts';
import type { ExactPart } from './exact-parts.ts';
import { exactPart } from './exact-parts.ts';
import type { SampledShape } from './exact-sample.ts';

/** A llama-server, without `/v1`. */
export type ExactServer = {
  readonly url: string;
  readonly apiKey: string | null;
};

/** What the engine counts for one input, its marks included, or why it does not. */
export type EngineCount =
  { readonly tokens: number; readonly from: 'file' | 'made' } | { readonly unasked: string };

const PATH = '/v1/chat/completions/input_tokens';
/** One count is made in milliseconds; a server that is busy loading takes longer. */
const TIMEOUT_MS = 60_000;

const answerSchema = z.object({ input_tokens: z.int().nonnegative() });
const refusalSchema = z.object({ error: z.object({ message: z.string() }) });

type Around = Map<string, number>;

/**
 * Asks a llama-server for the tokens of each shape alone, one after the other; nothing is encoded. What
 * the engine refuses has its reason. Throws `request.failed` when it cannot be asked at all.
 */
export async function askCounts(
  shapes: readonly SampledShape[],
  server: ExactServer,
  context: {
    readonly cwd: string;
    readonly signal: AbortSignal;
    readonly progress: (done: number) => void;
  },
): Promise<readonly EngineCount[]> {
  const around: Around = new Map();
  const counts: EngineCount[] = [];
  for (const { input } of shapes) {
    context.signal.throwIfAborted();
    const made = await exactPart(input, context.cwd);
    counts.push(
      'unasked' in made
        ? made
        : await countOf(made, input.modality, { server, around, signal: context.signal }),
    );
    context.progress(counts.length);
  }
  return counts;
}

type Asking = {
  readonly server: ExactServer;
  readonly around: Around;
  readonly signal: AbortSignal;
};

async function countOf(
  { part, from }: Extract<ExactPart, { part: unknown }>,
  modality: string,
  asking: Asking,
): Promise<EngineCount> {
  const alone = await inputTokens([part], asking);
  if (typeof alone === 'string') return { unasked: alone };
  const known = asking.around.get(modality);
  if (known !== undefined) return { tokens: alone - known, from };
  // A vocabulary of SentencePiece splits the text around the first image, so what a second one adds is it.
  const twice = await inputTokens([part, part], asking);
  if (typeof twice === 'string') return { unasked: twice };
  asking.around.set(modality, 2 * alone - twice);
  return { tokens: twice - alone, from };
}

/** Tokens of a message of these parts; a text: why the engine refuses it. */
async function inputTokens(
  parts: readonly unknown[],
  { server, signal }: Asking,
): Promise<number | string> {
  const content = [...parts, { type: 'text', text: 'x' }];
  const { status, text } = await post(server, { messages: [{ role: 'user', content }] }, signal);
  if (status === 404 || status === 405) throw noSuchRoute(server);
  const value = parsed(text);
  const answer = answerSchema.safeParse(value);
  if (status === 200 && answer.success) return answer.data.input_tokens;
  const refusal = refusalSchema.safeParse(value);
  const why = refusal.success ? refusal.data.error.message : text.slice(0, 200);
  if (status === 400 || status === 500) return `the engine refuses it: ${why}`;
  throw new MmdeployError('request.failed', `${server.url} answered ${status}: ${why}`, {
    hints:
      status === 401
        ? ['give its key in the environment: `OPENAI_API_KEY=KEY mmdeploy estimate … --exact URL`']
        : ['leave `--exact` out to count by the formulas: `mmdeploy estimate …`'],
  });
}

async function post({ url, apiKey }: ExactServer, body: unknown, signal: AbortSignal) {
  try {
    const response = await fetch(url + PATH, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    if (signal.aborted) throw new MmdeployError('interrupted', 'interrupted');
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new MmdeployError('request.failed', `nothing answers at ${url}: ${messageOf(cause)}`, {
      hints: ['let one be started: `mmdeploy estimate … --exact auto`'],
      cause: error,
    });
  }
}

function noSuchRoute({ url }: ExactServer): MmdeployError {
  return new MmdeployError('request.failed', `${url} has no \`${PATH}\``, {
    details: ['it takes the address of a llama-server, not of a gateway before it'],
    hints: ['let a recent one be started: `mmdeploy estimate … --exact auto`'],
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
