import { refuseCostlyConstraints } from './constraint-limits.ts';
import { refuseExtremeFields } from './field-limits.ts';
import type { Json } from './json.ts';

/** The interfaces whose bodies reach the engine, and with them the fields it may be given. */
export type BodyFormat = 'chat' | 'completions' | 'responses' | 'messages' | 'tokenize';

/** How tokens are drawn: llama.cpp's own, with no effect beyond the request that sends them. */
const SAMPLING = [
  ...['temperature', 'top_p', 'top_k', 'min_p', 'top_n_sigma', 'typical_p', 'seed', 'samplers'],
  ...['xtc_probability', 'xtc_threshold', 'dynatemp_range', 'dynatemp_exponent', 'min_keep'],
  ...['frequency_penalty', 'presence_penalty', 'repeat_penalty', 'repeat_last_n'],
  ...['dry_multiplier', 'dry_base', 'dry_allowed_length', 'dry_penalty_last_n'],
  ...['dry_sequence_breakers', 'mirostat', 'mirostat_tau', 'mirostat_eta', 'adaptive_target'],
  ...['adaptive_decay', 'logit_bias'],
];

/** When an answer ends and how many there are. */
const LENGTH = ['max_tokens', 'n_predict', 'n', 'stop', 'ignore_eos', 't_max_predict_ms'];

/** Read by the chat template and by the parser of its answers. */
const TEMPLATE = [
  ...['tools', 'tool_choice', 'parallel_tool_calls', 'response_format', 'json_schema'],
  ...['reasoning_effort', 'reasoning_format', 'reasoning_budget_tokens', 'thinking_budget_tokens'],
  ...['chat_template_kwargs', 'add_generation_prompt', 'continue_final_message'],
];

/**
 * The fields that the engine is given; everything else stays here. What llama-server reads beyond them,
 * and why a client may not say it:
 * - `id_slot`, `cache_prompt`, `n_cache_reuse`, `n_keep`, `n_discard`: the slots and their cache belong
 *   to the scheduler; with them one client evicts or sits on what another one uses.
 * - `lora`, `backend_sampling`, `speculative.*`, `sse_ping_interval`: settings of whoever runs the server.
 * - `verbose`, `response_fields`, `generation_settings`: they answer with the rendered prompt, and in it
 *   the marker of this engine's media, which no text of a client may hold.
 * - `chat_format`, `chat_parser`, `generation_prompt`, `parse_tool_calls`, `grammar_lazy`,
 *   `grammar_triggers`, `grammar_type`, `preserved_tokens`, `reasoning_budget_*_tag(s)`: what the
 *   engine's own template code tells its sampler; a client could only contradict it.
 * - `reasoning_control`: opens `/v1/chat/completions/control`, which is not served.
 * - `n_probs`, `post_sampling_probs`, `return_tokens`, `return_progress`, `timings_per_token`,
 *   `n_indent`: other forms of answers that `logprobs` and `usage` give in OpenAI's.
 */
const ALLOWED: Readonly<Record<BodyFormat, ReadonlySet<string>>> = {
  chat: new Set([
    ...['model', 'messages', 'stream', 'stream_options', 'max_completion_tokens'],
    ...['logprobs', 'top_logprobs', ...SAMPLING, ...LENGTH, ...TEMPLATE],
  ]),
  completions: new Set([
    ...['model', 'prompt', 'suffix', 'echo', 'best_of', 'stream', 'stream_options', 'logprobs'],
    ...['json_schema', ...SAMPLING, ...LENGTH],
  ]),
  responses: new Set([
    ...['model', 'input', 'instructions', 'previous_response_id', 'stream', 'max_output_tokens'],
    ...['reasoning', 'text', 'top_logprobs', ...SAMPLING, ...LENGTH, ...TEMPLATE],
  ]),
  messages: new Set([
    ...['model', 'messages', 'system', 'stream', 'max_tokens', 'stop_sequences', 'temperature'],
    ...['top_p', 'top_k', 'tools', 'tool_choice', 'thinking', 'chat_template_kwargs'],
    'output_config',
  ]),
  tokenize: new Set(['model', 'content', 'add_special', 'parse_special', 'with_pieces']),
};

/** Fields of the interfaces that no local engine acts on: leaving them out changes no answer. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  ...['user', 'metadata', 'store', 'service_tier', 'safety_identifier', 'prompt_cache_key'],
  ...['prompt_cache_retention', 'prediction', 'verbosity', 'include', 'truncation', 'background'],
  ...['cache_control', 'inference_geo'],
]);

export type AllowedBody = {
  /** The very same object when nothing was left out. */
  readonly request: Json;
  /** Names of what was left out and might have changed the answer, for the client to be told. */
  readonly dropped: readonly string[];
};

/**
 * A request without the fields that its interface does not have. Throws `invalid_field` (400) for
 * values that are known to stop the engine or to hold it for seconds.
 */
export function keepAllowedFields(request: Json, format: BodyFormat): AllowedBody {
  refuseExtremeFields(request);
  refuseCostlyConstraints(request);
  const allowed = ALLOWED[format];
  const left = Object.keys(request).filter((name) => !allowed.has(name));
  if (left.length === 0) return { request, dropped: [] };
  const kept = Object.entries(request).filter(([name]) => allowed.has(name));
  return {
    request: Object.fromEntries(kept),
    dropped: left.filter((name) => !WITHOUT_EFFECT.has(name)),
  };
}
