import type { FastifyInstance } from 'fastify';
import { Agent, request as ask, errors as undiciErrors } from 'undici';
import { messageOf } from '../../../errors.ts';
import { clientGone } from '../engine-call.ts';
import { GatewayError } from '../errors.ts';
import { parseObject } from '../json.ts';
import { IMAGES_PATH } from './image-engine.ts';
import { bodyOf, type ClientOf } from './request.ts';
import type { Cancellation } from '../../seams.ts';

const CONNECT_MS = 5000;
/** Silence that ends a request: large pictures take minutes on small cards. */
const SILENCE_MS = 600_000;

/**
 * `POST /v1/images/generations`, passed on to the image server as it was sent: its fields are its own.
 * The client's key stays here. Without such a server the answer is 501.
 */
export function registerImages(
  app: FastifyInstance,
  imageEngine: URL | null,
  clientOf: ClientOf,
): void {
  if (imageEngine === null) {
    app.post(IMAGES_PATH, () => {
      throw new GatewayError(
        501,
        'no_image_engine',
        'llama.cpp makes no images, and no image server stands behind this one: start it with `--image-engine URL`',
      );
    });
    return;
  }
  const dispatcher = new Agent({
    connect: { timeout: CONNECT_MS },
    headersTimeout: SILENCE_MS,
    bodyTimeout: SILENCE_MS,
  });
  app.addHook('onClose', () => dispatcher.destroy());
  app.post(IMAGES_PATH, async (request, reply) => {
    const body = bodyOf(request);
    parseObject(body);
    const { signal } = clientOf(request, reply);
    const headers = {
      'content-type': 'application/json',
      accept: request.headers.accept ?? 'application/json',
    };
    const answer = await ask(imageEngine, {
      method: 'POST',
      body,
      headers,
      signal: signal.native,
      dispatcher,
    }).catch((error: unknown) => {
      throw lostImageEngine(error, signal);
    });
    const type = answer.headers['content-type'];
    if (typeof type === 'string') reply.header('content-type', type);
    return reply.code(answer.statusCode).send(answer.body);
  });
}

function lostImageEngine(error: unknown, signal: Cancellation): GatewayError {
  if (signal.aborted) return signal.reason instanceof GatewayError ? signal.reason : clientGone();
  if (error instanceof undiciErrors.HeadersTimeoutError) {
    return new GatewayError(504, 'image_engine_timeout', 'the image server does not answer');
  }
  return new GatewayError(502, 'image_engine_lost', `no image server: ${messageOf(error)}`, 5);
}
