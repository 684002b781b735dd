// One chat request with its timings, over HTTP like any client: time to the first token, longest gap
// between two of them, total.
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Agent, request } from 'undici';

// A request that outlives this is counted as hung, not waited for.
const HUNG_MS = 180_000;
// A connection of its own for each request: llama-server closes one after a hundred.
const agent = new Agent({
  connections: null,
  pipelining: 0,
  headersTimeout: HUNG_MS,
  bodyTimeout: HUNG_MS,
});

// What the client makes of a picture of megabytes, and clears away, is no server's time.
const LARGE_BYTES = 1e6;
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

export const SYSTEM = { role: 'system', content: 'You describe pictures in one short sentence.' };

/** A question about `image` (a part), the image first so that it shares its prefix with other questions. */
export function aboutImage(image, text) {
  return [SYSTEM, { role: 'user', content: [image, { type: 'text', text }] }];
}

export function aboutText(text) {
  return [SYSTEM, { role: 'user', content: text }];
}

/**
 * Streams one answer. Times in ms since the request was sent. `signal` hangs up: what had come until then
 * is the answer.
 */
export async function chat(
  url,
  messages,
  { maxTokens = 8, fields = {}, onFirst, onToken, signal } = {},
) {
  const body = { model: 'demo', messages, max_tokens: maxTokens, stream: true, ...fields };
  body.stream_options = { include_usage: true };
  const sent = Buffer.from(JSON.stringify(body));
  if (sent.length > LARGE_BYTES) collectGarbage();
  const start = performance.now();
  const answer = { status: 0, ttftMs: null, longestGapMs: 0, gaps: [], tokens: 0, text: '' };
  const {
    statusCode,
    headers,
    body: stream,
  } = await request(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: sent,
    dispatcher: agent,
    signal,
  });
  answer.status = statusCode;
  answer.image = headers['x-mmdeploy-image'] ?? null;
  if (statusCode !== 200) {
    answer.error = await stream.text();
    answer.totalMs = performance.now() - start;
    return answer;
  }
  try {
    await read(stream, answer, start, { onFirst, onToken });
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
  answer.totalMs = performance.now() - start;
  return answer;
}

async function read(stream, answer, start, { onFirst, onToken }) {
  let last = start;
  for await (const event of events(stream)) {
    if (event.error) answer.error = JSON.stringify(event.error);
    if (event.usage) answer.usage = event.usage;
    const text = event.choices?.[0]?.delta?.content;
    if (typeof text !== 'string' || text === '') continue;
    const now = performance.now();
    if (answer.ttftMs === null) {
      answer.ttftMs = now - start;
      onFirst?.();
    } else {
      answer.gaps.push(now - last);
      answer.longestGapMs = Math.max(answer.longestGapMs, now - last);
    }
    onToken?.(text);
    last = now;
    answer.tokens += 1;
    answer.text += text;
  }
}

async function* events(stream) {
  let pending = '';
  stream.setEncoding('utf8');
  for await (const text of stream) {
    pending += text;
    const lines = pending.split('\n');
    pending = lines.pop();
    for (const line of lines) {
      if (!line.startsWith('data: ') || line === 'data: [DONE]') continue;
      yield JSON.parse(line.slice(6));
    }
  }
}

/** Throws unless every answer is a whole one: a bench of errors would be fast. */
export function allAnswered(answers) {
  for (const { status, error, tokens } of answers) {
    if (status !== 200 || error || tokens === 0) {
      throw new Error(`an answer is none: HTTP ${status} ${error ?? `${tokens} tokens`}`);
    }
  }
  return answers;
}
