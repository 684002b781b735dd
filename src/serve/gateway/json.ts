import { GatewayError } from './errors.ts';

/** A JSON object of a request, its fields not looked at yet. */
export type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `value` where it is a list, else an empty one. */
export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** `value` where it is text, else an empty one. */
export function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** A field of what may be no object at all. */
export function fieldOf(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}

/** A JSON object of a request; throws `invalid_json` (400) that says what is wrong with it. */
export function parseObject(body: Buffer): Json {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new GatewayError(400, 'invalid_json', `the body is not valid JSON: ${reason}`);
  }
  if (!isObject(value)) {
    throw new GatewayError(400, 'invalid_json', 'the body must be a JSON object');
  }
  return value;
}
