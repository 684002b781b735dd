import { describe, expect, test } from 'vitest';
import type { BodyFormat } from '../../../src/serve/gateway/allowed-fields.ts';
import { keepAllowedFields } from '../../../src/serve/gateway/allowed-fields.ts';
import { waysThrough } from '../../../src/serve/gateway/pattern-cost.ts';

/**
 * Every field that llama-server's schema of completions (tools/server/server-schema.cpp) and its
 * reading of chat bodies (server-common.cpp) know, at the build the tests run on.
 */
const ENGINE_FIELDS = `verbose timings_per_token stream stream_options cache_prompt return_tokens
return_progress sse_ping_interval n_predict max_completion_tokens max_tokens n_indent n_keep n_discard
n_cmpl n n_cache_reuse t_max_predict_ms response_fields top_k top_p min_p top_n_sigma xtc_probability
xtc_threshold typical_p temperature dynatemp_range dynatemp_exponent repeat_last_n repeat_penalty
frequency_penalty presence_penalty dry_multiplier dry_base dry_allowed_length dry_penalty_last_n
mirostat mirostat_tau mirostat_eta adaptive_target adaptive_decay seed n_probs logprobs min_keep
backend_sampling post_sampling_probs lora dry_sequence_breakers json_schema grammar_lazy
chat_format reasoning_format generation_prompt parse_tool_calls chat_parser continue_final_message echo
preserved_tokens grammar_triggers grammar_type reasoning_control reasoning_budget_tokens
reasoning_budget_start_tag reasoning_budget_end_tags reasoning_budget_end_tag reasoning_budget_message
logit_bias ignore_eos stop samplers id_slot messages tools tool_choice parallel_tool_calls
add_generation_prompt response_format chat_template_kwargs reasoning_effort thinking_budget_tokens
top_logprobs model __metadata_user_id`.split(/\s+/);

/** What of it a chat client may not say. */
const NOT_FOR_CLIENTS = `verbose timings_per_token cache_prompt return_tokens return_progress
sse_ping_interval n_indent n_keep n_discard n_cmpl n_cache_reuse response_fields n_probs
backend_sampling post_sampling_probs lora grammar_lazy chat_format generation_prompt
parse_tool_calls chat_parser echo preserved_tokens grammar_triggers grammar_type reasoning_control
reasoning_budget_start_tag reasoning_budget_end_tags reasoning_budget_end_tag
reasoning_budget_message id_slot __metadata_user_id`.split(/\s+/);

const keep = (request: Readonly<Record<string, unknown>>, format: BodyFormat = 'chat') =>
  keepAllowedFields(request, format);

describe('which fields reach the engine', () => {
  test('of all that llama-server reads in a chat, these are dropped and told', () => {
    const all = Object.fromEntries(ENGINE_FIELDS.map((name) => [name, null]));
    expect([...keep(all).dropped].sort()).toEqual([...NOT_FOR_CLIENTS].sort());
  });

  test('a field nobody knows is dropped and told; bookkeeping is dropped in silence', () => {
    const { request, dropped } = keep({ messages: [], user: 'me', store: true, future: 1 });
    expect(request).toEqual({ messages: [] });
    expect(dropped).toEqual(['future']);
  });

  test('a request that says nothing else is the very same object', () => {
    const request = {
      messages: [],
      temperature: 0,
      chat_template_kwargs: { enable_thinking: false },
    };
    expect(keep(request).request).toBe(request);
  });

  test('only the top level is looked at: a tool may have an argument `lora`', () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { lora: {} } } }];
    expect(keep({ tools }).dropped).toEqual([]);
  });

  test.each(['chat', 'completions', 'responses', 'messages', 'tokenize'] as const)(
    '%s: no interface lets a client choose slots, caches or adapters',
    (format) => {
      const fields = ['id_slot', 'cache_prompt', 'lora', 'verbose', '__proto__'];
      const body = JSON.parse(`{${fields.map((name) => `"${name}":1`).join(',')}}`) as object;
      expect(keep({ ...body, ['__proto__']: 1 }, format).request).toEqual({});
      expect(keep(body as Record<string, unknown>, format).dropped).toEqual(fields);
    },
  );
});

describe('values that stop llama-server or hold it for seconds are 400', () => {
  const nested = (levels: number) =>
    JSON.parse('[' + '['.repeat(levels) + ']'.repeat(levels) + ']') as unknown;
  const schema = (value: object) => ({
    response_format: { type: 'json_schema', json_schema: { schema: value } },
  });
  const named = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, {}]));
  const text = (pattern: string) => schema({ type: 'string', pattern });

  test.each([
    ['100,000 levels', { chat_template_kwargs: { a: nested(100_000) } }, /100 levels/],
    ['repeat_last_n', { repeat_last_n: 2_147_483_647 }, /`repeat_last_n` is 2147483647/],
    ['dry_penalty_last_n', { dry_penalty_last_n: 2e9 }, /at most 1000000/],
    ['top_logprobs', { top_logprobs: 100_000 }, /at most 20/],
    ['logit_bias', { logit_bias: named(1001) }, /`logit_bias` has 1001 entries/],
    ['stop', { stop: Array(101).fill('x') }, /at most 100/],
    ['a grammar', { grammar: 'root ::= a{0,10}\na ::= "x"{0,10}' }, /response_format/],
    ['optional properties', schema({ properties: named(501) }), /500 optional properties/],
    ['alternatives', schema({ enum: Array(1001).fill('x') }), /1000 alternatives/],
    ['a pattern', text('^((((a{0,10}){0,10}){0,10}){0,10})$'), /may be empty/],
    ['media in a prompt', { prompt: ['a', { multimodal_data: ['AA=='] }] }, /`prompt` is text/],
    ['a long pattern', text('a'.repeat(1001)), /longer than 1000/],
    ['a tool', { tools: [{ function: { parameters: { properties: named(501) } } }] }, /optional/],
    ['text.format', { text: { format: { schema: { enum: Array(1001) } } } }, /alternatives/],
  ])('%s', (_name, request, message) => {
    expect(() => keep(request)).toThrow(message);
  });

  test('what people do send passes', () => {
    const all = named(500);
    const request = {
      repeat_last_n: 64,
      stop: ['a', 'b'],
      logit_bias: { 5: 1 },
      ...schema({ type: 'object', properties: all, required: Object.keys(all) }),
      json_schema: {
        type: 'string',
        pattern: '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$',
      },
      tools: [{ function: { parameters: nested(50) } }],
    };
    expect(keep(request).request).toBe(request);
  });
});

describe('ways through a pattern', () => {
  test.each([
    ['^abc$', 1],
    ['a{0,5000}', 1],
    ['[a-z]{1,5000}', 1],
    ['(a?){0,1000}', 1000],
    ['^(((a{0,10}){0,10}){0,10})$', 100],
    ['(((a{1,10}){1,10}){1,10})', 1],
    ['^([a-z]{1,63}\\.){1,127}$', 1],
    ['((a{0,10}b){0,10}c)', 10],
    ['((a{0,10}){1,10}){5}', 50],
    ['(x|(a?){0,30}){0,30}', 900],
    ['((a*)*)+', 1],
    ['[)({0,9}]{0,3}\\){0,2}', 1],
    ['((a?){0,10}', 10],
    [')){2}', 2],
  ])('%s: %i', (pattern, ways) => {
    expect(waysThrough(pattern)).toBe(ways);
  });
});
