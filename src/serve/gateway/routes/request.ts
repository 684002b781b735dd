import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Tenant } from '../../seams.ts';
import { keepAllowedFields, type BodyFormat } from '../allowed-fields.ts';
import { GatewayError } from '../errors.ts';
import { parseObject, type Json } from '../json.ts';

/** Who asks, and until when. */
export type Client = {
  readonly tenant: Tenant;
  /** Aborted when the client hangs up or the server's time is over. */
  readonly signal: AbortSignal;
};

export type ClientOf = (request: FastifyRequest, reply: FastifyReply) => Client;

/** The bytes of a JSON request; throws `invalid_json` (400) when it has none. */
export function bodyOf(request: FastifyRequest): Buffer {
  if (Buffer.isBuffer(request.body)) return request.body;
  throw new GatewayError(400, 'invalid_json', 'the request has no body');
}

/**
 * A JSON request without the fields that clients may not set. Those that might have changed the answer
 * are named in `X-Mmdeploy-Dropped-Fields`.
 */
export function allowedBody(
  request: FastifyRequest,
  reply: FastifyReply,
  format: BodyFormat,
): Json {
  const { request: body, dropped } = keepAllowedFields(parseObject(bodyOf(request)), format);
  const names = dropped.filter((name) => /^[\w.-]{1,64}$/.test(name)).slice(0, 20);
  if (names.length > 0) reply.header('x-mmdeploy-dropped-fields', names.join(', '));
  return body;
}
