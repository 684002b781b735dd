import { GatewayError } from './errors.ts';

/**
 * Fields that steer the engine's slots, cache and adapters, which belong to whoever runs the server:
 * with `id_slot` one client could sit on another's slot.
 */
const OPERATOR_FIELDS = ['id_slot', 'cache_prompt', 'lora'];

/** Parts that may carry a URL which the engine would fetch. */
const MEDIA_FIELDS = ['image_url', 'video_url', 'audio_url'];

/**
 * The body without the operator's fields; throws `remote_media` (400) when it names media by a URL.
 * Text-only bodies are passed on byte for byte unless one of the names, or an escape that may spell
 * one, occurs in them; bodies with media are parsed, a few ms where their encoding takes hundreds.
 */
export function cleanBody(body: Buffer): Buffer {
  const names = [...OPERATOR_FIELDS, ...MEDIA_FIELDS];
  const suspicious = names.some((name) => body.includes(`"${name}"`));
  if (!suspicious && !body.includes('\\u')) return body;
  const parsed = parseObject(body);
  refuseRemoteMedia(parsed);
  const kept = Object.entries(parsed).filter(([name]) => !OPERATOR_FIELDS.includes(name));
  if (kept.length === Object.keys(parsed).length) return body;
  return Buffer.from(JSON.stringify(Object.fromEntries(kept)));
}

/** The engine fetches any address it is given, private ones and redirects included: it is given none. */
function refuseRemoteMedia({ messages }: Readonly<Record<string, unknown>>): void {
  for (const message of asArray(messages)) {
    for (const part of asArray(fieldOf(message, 'content'))) {
      for (const name of MEDIA_FIELDS) {
        const value = fieldOf(part, name);
        const url = typeof value === 'string' ? value : fieldOf(value, 'url');
        if (typeof url !== 'string' || /^data:/i.test(url)) continue;
        const shown = url.length > 60 ? `${url.slice(0, 60)}…` : url;
        throw new GatewayError(
          400,
          'remote_media',
          `\`${name}\` is \`${shown}\`: media are not fetched, send them as a data URI`,
        );
      }
    }
  }
}

function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
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
