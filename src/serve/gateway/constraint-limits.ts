import type { GatewayError } from './errors.ts';
import { invalidField } from './field-limits.ts';
import type { Json } from './json.ts';
import { asArray, fieldOf, isObject } from './json.ts';
import { waysThrough } from './pattern-cost.ts';

/**
 * What a schema may cost. llama-server turns it into grammar rules before it answers, and meanwhile no
 * slot moves on. Measured on build 11669: 500 optional properties take 0.7 s, 2,000 end in
 * `std::bad_alloc` and the engine dies; 1,000 alternatives take 0.07 s, 20,000 12 s; a pattern with
 * 1,000 ways through it takes 1.6 s, one with 10,000 never comes back.
 */
const MAX_OPTIONAL = 500;
const MAX_ALTERNATIVES = 1000;
const MAX_WAYS = 500;
const MAX_PATTERN_LENGTH = 1000;

type Cost = { optional: number; alternatives: number };

/**
 * Throws `invalid_field` (400) for constraints that would stop or hold the engine. Expects a body whose
 * depth has been checked.
 */
export function refuseCostlyConstraints(request: Json): void {
  if (typeof request['grammar'] === 'string') throw noGrammar();
  const cost: Cost = { optional: 0, alternatives: 0 };
  for (const schema of schemasOf(request)) addCost(schema, cost);
  // The work grows with the square of the optional properties of one object.
  if (cost.optional > MAX_OPTIONAL ** 2) {
    throw invalidField(`the schemas have more than ${MAX_OPTIONAL} optional properties`);
  }
  if (cost.alternatives > MAX_ALTERNATIVES) {
    throw invalidField(`the schemas have more than ${MAX_ALTERNATIVES} alternatives`);
  }
}

function schemasOf(request: Json): readonly unknown[] {
  return [
    request['json_schema'],
    request['response_format'],
    fieldOf(request['text'], 'format'),
    ...asArray(request['tools']),
  ];
}

/** Walks everything below `node`: where a schema stands in it differs by interface. */
function addCost(node: unknown, cost: Cost): void {
  if (Array.isArray(node)) {
    for (const each of asArray(node)) addCost(each, cost);
    return;
  }
  if (!isObject(node)) return;
  const { properties, required, pattern } = node;
  if (isObject(properties)) {
    const all = Object.keys(properties).length;
    cost.optional += Math.max(0, all - asArray(required).length) ** 2;
  }
  for (const name of ['enum', 'anyOf', 'oneOf']) cost.alternatives += asArray(node[name]).length;
  if (typeof pattern === 'string') refusePattern(pattern);
  for (const each of Object.values(node)) addCost(each, cost);
}

function refusePattern(pattern: string): void {
  const shown = pattern.length > 60 ? `${pattern.slice(0, 60)}…` : pattern;
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw invalidField(`the pattern \`${shown}\` is longer than ${MAX_PATTERN_LENGTH} characters`);
  }
  if (waysThrough(pattern) > MAX_WAYS) {
    throw invalidField(
      `the pattern \`${shown}\` nests repetitions of what may be empty (more than ${MAX_WAYS} ways)`,
    );
  }
}

/**
 * Rules of a grammar refer to each other, so what it costs shows only when it runs: five rules of
 * `{0,10}` hold the engine for ever, 100,000 parentheses overflow its stack (build 11669).
 */
function noGrammar(): GatewayError {
  return invalidField(
    '`grammar` is not taken from clients: it can hold the engine for ever; a JSON schema says the same (`response_format`)',
  );
}
