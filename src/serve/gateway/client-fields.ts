import { GatewayError } from './errors.ts';
import { asArray, fieldOf, parseObject, type Json } from './json.ts';

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
  const kept = withoutOperatorFields(parsed);
  return kept === parsed ? body : Buffer.from(JSON.stringify(kept));
}

/** The request without the operator's fields; itself where it has none. */
export function withoutOperatorFields(request: Json): Json {
  if (!OPERATOR_FIELDS.some((name) => Object.hasOwn(request, name))) return request;
  return Object.fromEntries(
    Object.entries(request).filter(([name]) => !OPERATOR_FIELDS.includes(name)),
  );
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
