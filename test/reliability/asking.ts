import { performance } from 'node:perf_hooks';
import { Agent, request } from 'undici';

/**
 * What became of a request, as its client sees it. `told`: no answer, but an error that says so (a 5xx
 * in OpenAI's form, or an error event that ends a stream). `lost`: the connection ended without a word.
 */
type Fate = 'answered' | 'refused' | 'told' | 'lost' | 'hung';

export type Asked = {
  readonly fate: Fate;
  /** 0 when no answer began. */
  readonly status: number;
  /** The error's code, when there was one. */
  readonly code: string;
  readonly message: string;
  readonly ms: number;
  /** As the answer bills it; null where it says nothing. */
  readonly promptTokens: number | null;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
};

export type Chat = Readonly<Record<string, unknown>>;

export const CHAT_PATH = '/v1/chat/completions';
/** A request that is not answered within this time has been forgotten. */
const HUNG_MS = 60_000;

/** One request on a connection of its own, watched to its end. Never throws. */
export async function ask(
  url: string,
  body: Chat,
  { path = CHAT_PATH, hungMs = HUNG_MS, headers = {} } = {},
): Promise<Asked> {
  const start = performance.now();
  const agent = new Agent({ pipelining: 0, headersTimeout: 0, bodyTimeout: 0 });
  const seen: { status: number; headers: Asked['headers']; text: string } = {
    status: 0,
    headers: {},
    text: '',
  };
  try {
    const response = await request(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
      dispatcher: agent,
      signal: AbortSignal.timeout(hungMs),
    });
    seen.status = response.statusCode;
    seen.headers = response.headers;
    for await (const chunk of response.body) seen.text += (chunk as Buffer).toString('utf8');
    const promptTokens = promptTokensIn(seen.text);
    return { ...judge(seen), ...seen, promptTokens, ms: performance.now() - start };
  } catch (error) {
    const fate = performance.now() - start >= hungMs ? 'hung' : 'lost';
    const message = error instanceof Error ? error.message : String(error);
    return { fate, ...seen, code: '', message, promptTokens: null, ms: performance.now() - start };
  } finally {
    await agent.destroy();
  }
}

type Verdict = Pick<Asked, 'fate' | 'code' | 'message'>;

type Seen = Pick<Asked, 'status' | 'headers'> & { readonly text: string };

function judge({ status, headers, text }: Seen): Verdict {
  const { code, message } = errorIn(text);
  if (status >= 500) return { fate: code === '' ? 'lost' : 'told', code, message };
  if (status >= 400) return { fate: code === '' ? 'lost' : 'refused', code, message };
  if (code !== '') return { fate: 'told', code, message };
  // By its type: a stream may begin with the engine's pings, which are comments.
  const isStream = String(headers['content-type']).startsWith('text/event-stream');
  const whole = isStream ? text.includes('data: [DONE]') : isJson(text);
  if (whole) return { fate: 'answered', code, message };
  return { fate: 'lost', code, message: `it ended with ${JSON.stringify(text.slice(-200))}` };
}

/** The error object of a document or of the last event of a stream. */
function errorIn(text: string): { code: string; message: string } {
  const events = text.split('\n').filter((line) => line.startsWith('data: {'));
  const last = events.at(-1)?.slice('data: '.length) ?? text;
  if (!last.includes('"error"') || !isJson(last)) return { code: '', message: '' };
  const { error } = JSON.parse(last) as { error?: { code?: unknown; message?: unknown } };
  if (error === undefined) return { code: '', message: '' };
  return { code: String(error.code), message: String(error.message) };
}

function promptTokensIn(text: string): number | null {
  const found = /"prompt_tokens":(\d+)/.exec(text)?.[1];
  return found === undefined ? null : Number(found);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Kinds of trouble that the metrics have seen. */
export async function troublesOf(url: string): Promise<string[]> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return [...text.matchAll(/troubles_total\{what="([^"]+)"\} [1-9]/g)].map(([, what = '']) => what);
}

/** How many of each, most frequent first: `answered 98, told 2`. */
export function tally(values: readonly string[]): string {
  return [...counts(values)].map(([value, count]) => `${value} ${count}`).join(', ');
}

export function counts(values: readonly string[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const value of values) found.set(value, (found.get(value) ?? 0) + 1);
  return new Map([...found].sort(([, a], [, b]) => b - a));
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const textChat = (text: string, more: Chat = {}): Chat => ({
  model: 'demo',
  messages: [{ role: 'user', content: text }],
  max_tokens: 8,
  ...more,
});

/** An answer of so many tokens: the demo model's own end, token 2, is forbidden. */
export const endless = (tokens: number): Chat => ({
  max_tokens: tokens,
  logit_bias: { '2': -100 },
});

export const longChat = (text: string, tokens: number, more: Chat = {}): Chat =>
  textChat(text, { ...endless(tokens), ...more });

export const mediaChat = (url: string, more: Chat = {}): Chat => ({
  model: 'demo',
  messages: [
    {
      role: 'user',
      content: [
        { type: 'image_url', image_url: { url } },
        { type: 'text', text: 'What is it?' },
      ],
    },
  ],
  max_tokens: 8,
  ...more,
});
