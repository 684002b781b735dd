import { GatewayError } from './errors.ts';
import type { Json } from './json.ts';
import { asArray, isObject } from './json.ts';

/**
 * Levels of lists and objects in a body. llama-server reads and prints JSON by recursion: 10,000 levels
 * in a schema or 100,000 in a template variable overflow its stack and it dies (build 11669).
 */
const MAX_DEPTH = 100;

/**
 * Largest numbers. `repeat_last_n` and `dry_penalty_last_n` are allocated as given: 2,147,483,647 take
 * 8 GiB and 19 s, while 1,000,000 take 4 ms (build 11669). `top_logprobs` is OpenAI's own limit.
 */
const MAX_NUMBER = Object.entries({
  repeat_last_n: 1_000_000,
  dry_penalty_last_n: 1_000_000,
  dry_allowed_length: 1_000_000,
  top_logprobs: 20,
  logprobs: 20,
  // A request has one slot: further answers would take others behind the scheduler's back.
  n: 1,
  best_of: 1,
});

/** Longest lists. 100,000 biases hold every slot for 10 s, 1,000 take 5 ms (build 11669). */
const MAX_ENTRIES = Object.entries({
  logit_bias: 1000,
  stop: 100,
  stop_sequences: 100,
  dry_sequence_breakers: 100,
  samplers: 100,
});

/** Throws `invalid_field` (400) for values that stop the engine or hold it for seconds. */
export function refuseExtremeFields(request: Json): void {
  refuseDepth(request);
  refuseMediaPrompt(request);
  for (const [name, limit] of MAX_NUMBER) {
    const value = request[name];
    if (typeof value === 'number' && value > limit) {
      throw invalidField(`\`${name}\` is ${value}: at most ${limit}`);
    }
  }
  for (const [name, limit] of MAX_ENTRIES) {
    const value = request[name];
    const count = isObject(value) ? Object.keys(value).length : asArray(value).length;
    if (count > limit) throw invalidField(`\`${name}\` has ${count} entries: at most ${limit}`);
  }
}

export function invalidField(message: string): GatewayError {
  return new GatewayError(400, 'invalid_field', message);
}

/**
 * llama-server takes media in the prompt of a completion too (`multimodal_data`), past every check; build
 * 11669 dies of one that it cannot place.
 */
function refuseMediaPrompt({ prompt }: Json): void {
  if (![prompt, ...asArray(prompt)].some(isObject)) return;
  throw invalidField('`prompt` is text: media go with a chat, `/v1/chat/completions`');
}

/** Level by level instead of by recursion, which would be the very weakness it guards against. */
function refuseDepth(request: Json): void {
  let level: readonly unknown[] = [request];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) {
      throw invalidField(`the body has more than ${MAX_DEPTH} levels of lists and objects`);
    }
    const next: unknown[] = [];
    for (const value of level) {
      for (const each of valuesOf(value)) {
        if (typeof each === 'object' && each !== null) next.push(each);
      }
    }
    level = next;
  }
}

function valuesOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return isObject(value) ? Object.values(value) : [];
}
