import { setTimeout as sleep } from 'node:timers/promises';
import { fieldOf, isObject, type Json } from '../gateway/json.ts';
import type { TestedServer } from './check.ts';

/** The slowest thing asked: an image through a large model on a CPU. */
const LONGEST_MS = 300_000;
const CHAT = '/v1/chat/completions';

export type Answer = { readonly status: number; readonly text: string; readonly json: Json };

export async function post(server: TestedServer, path: string, body: unknown): Promise<Answer> {
  const response = await fetch(server.url + path, request(server, JSON.stringify(body)));
  const text = await response.text();
  return { status: response.status, text, json: parsed(text) };
}

/** A JSON body as it stands, which need not be one. */
export async function postRaw(server: TestedServer, path: string, body: string): Promise<number> {
  const response = await fetch(server.url + path, request(server, body));
  await response.text();
  return response.status;
}

/** A stream of a chat, for the caller to read or to leave. */
export function openStream(
  server: TestedServer,
  body: Json,
  signal?: AbortSignal,
): Promise<Response> {
  const { signal: limit, ...init } = request(server, JSON.stringify({ ...body, stream: true }));
  return fetch(server.url + CHAT, {
    ...init,
    signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
  });
}

export function chat(server: TestedServer, content: unknown, more: Json = {}): Promise<Answer> {
  return post(server, CHAT, { ...question(content), max_tokens: 4, ...more });
}

export function question(content: unknown): Json {
  return { messages: [{ role: 'user', content }] };
}

/** Status of a path without a key. */
export async function strangerStatus(server: TestedServer, path: string): Promise<number> {
  const response = await fetch(server.url + path, { signal: AbortSignal.timeout(LONGEST_MS) });
  await response.text();
  return response.status;
}

export function promptTokens({ json }: Answer): number {
  const tokens = fieldOf(json['usage'], 'prompt_tokens');
  return typeof tokens === 'number' ? tokens : 0;
}

export function cachedTokens({ json }: Answer): number {
  const tokens = fieldOf(fieldOf(json['usage'], 'prompt_tokens_details'), 'cached_tokens');
  return typeof tokens === 'number' ? tokens : 0;
}

/** Waits until another engine than `pid` is there and `/ready` says so. */
export async function nextEngine(server: TestedServer, pid: number): Promise<void> {
  for (const endsAt = performance.now() + LONGEST_MS; performance.now() < endsAt;) {
    const now = server.enginePid();
    const another = now !== undefined && now !== pid;
    if (another && (await strangerStatus(server, '/ready')) === 200) return;
    await sleep(100);
  }
  throw new Error(`no other engine is ready within ${LONGEST_MS / 1000} s`);
}

function request({ key }: TestedServer, body: string) {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body,
    signal: AbortSignal.timeout(LONGEST_MS),
  };
}

function parsed(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
