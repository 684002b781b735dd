import type { FastifyInstance } from 'fastify';
import type { EngineSource } from '../../seams.ts';
import type { BodyFormat } from '../allowed-fields.ts';
import { GatewayError } from '../errors.ts';
import { forward } from '../forward.ts';
import type { Json } from '../json.ts';
import { asArray, fieldOf, isObject } from '../json.ts';
import { allowedBody, type ClientOf } from './request.ts';

export type ForwardDeps = {
  readonly source: EngineSource;
  readonly clientOf: ClientOf;
};

/** Parts of messages that may carry media. */
const MEDIA_FIELDS = ['image_url', 'video_url', 'audio_url'];

/** A route whose body goes to the engine with the allowed fields, and whose answer comes back as it is. */
export function registerForwarded(
  app: FastifyInstance,
  { source, clientOf }: ForwardDeps,
  path: string,
  format: BodyFormat,
): void {
  app.post(path, (request, reply) => {
    const body = allowedBody(request, reply, format);
    refuseMediaPrompt(body);
    refuseAddresses(body);
    const upstream = { path, method: 'POST', body: JSON.stringify(body) } as const;
    return forward(source, upstream, request, reply, clientOf(request, reply).signal);
  });
}

/**
 * llama-server takes media in the prompt of a completion too (`multimodal_data`), past every check;
 * build 11669 dies of one it cannot place.
 */
function refuseMediaPrompt({ prompt }: Json): void {
  if (![prompt, ...asArray(prompt)].some(isObject)) return;
  throw new GatewayError(
    400,
    'invalid_field',
    '`prompt` is text: media go with a chat, `/v1/chat/completions`',
  );
}

/** The engine fetches any address it is given, private ones and redirects included: it is given none. */
function refuseAddresses({ messages }: Json): void {
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
