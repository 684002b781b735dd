import { GatewayError } from './errors.ts';

/**
 * Fields that steer the engine's slots, cache and adapters, which belong to whoever runs the server:
 * with `id_slot` one client could sit on another's slot.
 */
const OPERATOR_FIELDS = ['id_slot', 'cache_prompt', 'lora'];

/**
 * The body without the operator's fields. Almost every body is passed on byte for byte: it is parsed
 * (megabytes of base64) only where one of the names, or an escape that may spell one, occurs in it.
 */
export function dropOperatorFields(body: Buffer): Buffer {
  const suspicious = OPERATOR_FIELDS.some((name) => body.includes(`"${name}"`));
  if (!suspicious && !body.includes('\\u')) return body;
  const parsed = parseObject(body);
  const kept = Object.entries(parsed).filter(([name]) => !OPERATOR_FIELDS.includes(name));
  if (kept.length === Object.keys(parsed).length) return body;
  return Buffer.from(JSON.stringify(Object.fromEntries(kept)));
}

/** A JSON object of a request, or an error that says what is wrong with it. */
export function parseObject(body: Buffer): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new GatewayError(400, 'invalid_json', `the body is not valid JSON: ${reason}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new GatewayError(400, 'invalid_json', 'the body must be a JSON object');
  }
  return value as Readonly<Record<string, unknown>>;
}
