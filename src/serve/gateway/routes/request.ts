import { randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Tenant } from '../../seams.ts';
import { keepAllowedFields, type BodyFormat } from '../allowed-fields.ts';
import type { TakenApart } from '../chat/taken-apart.ts';
import { cutBase64, type CutBody } from '../cut-base64.ts';
import { GatewayError } from '../errors.ts';
import { parseObject, type Json } from '../json.ts';
import type { RequestSignal } from '../request-signal.ts';

/** Who asks, and until when. */
export type Client = {
  readonly tenant: Tenant;
  /** Aborted when the client hangs up or the server's time is over. */
  readonly signal: RequestSignal;
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
  return allowed(bodyOf(request), reply, format);
}

function allowed(bytes: Buffer, reply: FastifyReply, format: BodyFormat): Json {
  const { request: body, dropped } = keepAllowedFields(parseObject(bytes), format);
  const names = dropped.filter((name) => /^[\w.-]{1,64}$/.test(name)).slice(0, 20);
  if (names.length > 0) reply.header('x-mmdeploy-dropped-fields', names.join(', '));
  return body;
}

/** No client can name what was cut out of a body. */
const SECRET = randomUUID();

/** The request with its media taken out of it; long base64 is handed on as it was sent. */
export function takenBody(
  request: FastifyRequest,
  reply: FastifyReply,
  format: BodyFormat,
  takeApart: (body: Json) => TakenApart,
): TakenApart {
  const bytes = bodyOf(request);
  const cut = cutBase64(bytes, SECRET);
  const taken = cut && takenFromCut(cut, (body) => takeApart(allowed(body, reply, format)));
  return taken ?? takeApart(allowed(bytes, reply, format));
}

/**
 * null where the whole body has to be looked at: some of what was cut stands where no medium is, or
 * something is wrong with the request, and its error has to speak of what was sent.
 */
function takenFromCut(
  { body, texts }: CutBody,
  takeApart: (body: Buffer) => TakenApart,
): TakenApart | null {
  const left = new Map(texts);
  try {
    const taken = takeApart(body);
    const parts = taken.parts.map((part) => {
      const mark = part.source.kind === 'base64' ? String(part.source.text) : '';
      const text = left.get(mark);
      if (text === undefined) return part;
      left.delete(mark);
      return { ...part, source: { kind: 'base64', text } as const };
    });
    return left.size === 0 ? { ...taken, parts } : null;
  } catch {
    return null;
  }
}
