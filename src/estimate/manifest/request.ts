import { addMessages } from './chat.ts';
import { addResponsesInput } from './responses.ts';
import type { OpenRow, Problem } from './row.ts';
import { addDefinition, isObject, shown, unreadable } from './row.ts';
import { addSystem } from './anthropic.ts';
import type { RowSettings } from './types.ts';

type Json = Readonly<Record<string, unknown>>;

/** Names under which APIs limit the answer, newest first. */
const LIMITS = ['max_completion_tokens', 'max_output_tokens', 'max_tokens'] as const;
/** What a request leans on that only the vendor's server knows. */
const ELSEWHERE = {
  previous_response_id: 'an earlier answer',
  conversation: 'a conversation',
  prompt: 'a prompt template',
} as const;

/** Whether a line is a chat request, bare or in the envelope of a batch file. */
export function isRequest(line: Json): boolean {
  return 'body' in line || 'params' in line || 'messages' in line || 'input' in line;
}

/**
 * Adds a request: OpenAI's batch line (`custom_id`, `url`, `body`), Anthropic's (`custom_id`, `params`),
 * or the body alone. Its answer limit, times `n`, is the output that it may cost.
 */
export function addRequest(row: OpenRow, line: Json): Problem {
  const id = line['custom_id'] ?? line['id'];
  if (typeof id === 'string' && id !== '') row.key = id;
  else if (id !== undefined && id !== null) return `custom_id: ${shown(id)} is no name`;
  if ('count' in line) return 'count: a request has none, each is a line of its own';
  const { method, url } = line;
  if (method !== undefined && method !== 'POST') return `method: ${shown(method)} is not "POST"`;
  const body = line['body'] ?? line['params'] ?? line;
  if (!isObject(body)) return `body: ${shown(body)} is no object`;
  if (body === line || url === undefined) return addBody(row, body);
  const kind = typeof url === 'string' ? ENDPOINTS.find((known) => url.endsWith(known)) : undefined;
  if (kind === undefined) return `url: ${shown(url)} is none of ${ENDPOINTS.join(', ')}`;
  const key = kind === '/responses' ? 'input' : 'messages';
  return key in body ? addBody(row, body) : `body: no ${key}, which ${kind} needs`;
}

const ENDPOINTS = ['/chat/completions', '/responses', '/messages'];

function addBody(row: OpenRow, body: Json): Problem {
  const settings = requestSettings(body);
  if (typeof settings === 'string') return settings;
  row.settings = settings;
  for (const [key, what] of Object.entries(ELSEWHERE)) {
    if (isGiven(body[key])) unreadable(row, key, `${what} that only the vendor's server holds`);
  }
  for (const key of ['tools', 'functions']) {
    const tools = body[key];
    if (Array.isArray(tools) && tools.length > 0) addDefinition(row, key, tools);
  }
  const schema = answerSchema(body);
  if (schema !== null) addDefinition(row, 'schema of the answer', schema);
  if ('messages' in body)
    return addSystem(row, body['system']) ?? addMessages(row, body['messages']);
  if ('input' in body) return addResponsesInput(row, body);
  return 'body: neither messages nor input';
}

/** The schema that the answer has to follow: of chat completions, of responses, of llama-server; null: none. */
function answerSchema(body: Json): object | null {
  const inText = isObject(body['text']) ? body['text']['format'] : undefined;
  for (const format of [body['response_format'], inText]) {
    if (!isObject(format)) continue;
    const named = isObject(format['json_schema']) ? format['json_schema'] : format;
    if (isObject(named['schema'])) return named['schema'];
  }
  return null;
}

function requestSettings(body: Json): RowSettings | string {
  const { model, n } = body;
  if (isGiven(model) && typeof model !== 'string') return `model: ${shown(model)} is no name`;
  const key = LIMITS.find((name) => isGiven(body[name]));
  const limit = key === undefined ? undefined : body[key];
  if (limit !== undefined && !isWhole(limit)) return `${key}: ${shown(limit)} is no whole number`;
  const answers = isGiven(n) ? n : 1;
  if (!isWhole(answers)) return `n: ${shown(n)} is no whole number`;
  return {
    ...(typeof model === 'string' ? { model } : {}),
    ...(limit === undefined ? {} : { outputTokens: limit * answers }),
  };
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
