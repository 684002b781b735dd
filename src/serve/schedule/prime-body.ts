/**
 * Fields that say how much comes back and in which form. What may change the prompt (tools, a schema,
 * template arguments) stays: the prompt that is sent ahead must be the one that follows.
 */
const ANSWER_FIELDS = [
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'n_predict',
  'n',
  'logprobs',
  'top_logprobs',
  'n_probs',
];

/**
 * The request that evaluates a prompt and generates nothing (llama-server samples one token that it does
 * not keep for long): afterwards the prompt, its media with it, is in the slot.
 */
export function primeBody(
  body: Readonly<Record<string, unknown>>,
  path: string,
  slot: number,
): Readonly<Record<string, unknown>> {
  const kept = Object.entries(body).filter(([name]) => !ANSWER_FIELDS.includes(name));
  const limit = path.endsWith('/responses') ? 'max_output_tokens' : 'max_tokens';
  return {
    ...Object.fromEntries(kept),
    [limit]: 0,
    stream: false,
    cache_prompt: true,
    id_slot: slot,
  };
}
