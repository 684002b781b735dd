import type { FastifyInstance } from 'fastify';
import type { EngineSource } from '../../seams.ts';
import type { BodyFormat } from '../allowed-fields.ts';
import { forward } from '../forward.ts';
import { allowedBody, type ClientOf } from './request.ts';

export type ForwardDeps = {
  readonly source: EngineSource;
  readonly clientOf: ClientOf;
};

/** A route whose body goes to the engine with the allowed fields, and whose answer comes back as it is. */
export function registerForwarded(
  app: FastifyInstance,
  { source, clientOf }: ForwardDeps,
  path: string,
  format: BodyFormat,
): void {
  app.post(path, (request, reply) => {
    const body = allowedBody(request, reply, format);
    const upstream = { path, method: 'POST', body: JSON.stringify(body) } as const;
    return forward(source, upstream, request, reply, clientOf(request, reply).signal);
  });
}
