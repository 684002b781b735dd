import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { RequestLog } from './log.ts';
import type { Metrics } from './metrics.ts';
import { requestIdOf } from './request-id.ts';
import type { RequestLevel } from './request-lines.ts';
import { notesOf } from './request-notes.ts';

export type Observation = {
  readonly metrics: Metrics;
  readonly log: Pick<RequestLog, 'request'>;
};

/** Asked every few seconds by machines: their success is worth no line. */
const QUIET = new Set(['/health', '/ready', '/metrics']);
/** What a log calls a request whose client hung up. */
const CLIENT_GONE = 499;

/**
 * Counts and logs every request that `app` answers, names it in `x-request-id`, and answers
 * `GET /metrics`. To be called before other hooks are added: those that refuse are seen as well.
 */
export function registerObservation(app: FastifyInstance, { metrics, log }: Observation): void {
  app.addHook('onRequest', (request, reply, done) => {
    const startedAt = performance.now();
    const id = requestIdOf(request.headers['x-request-id'], randomUUID);
    reply.header('x-request-id', id);
    metrics.requestBegan();
    // `onResponse` does not come when the client hangs up; `close` always does.
    reply.raw.on('close', () => {
      finish(request, reply, { id, ms: performance.now() - startedAt }, { metrics, log });
    });
    done();
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    if (reply.statusCode >= 400) notesOf(request.raw).reason ??= reasonOf(payload);
    done();
  });
  app.get('/metrics', async (_request, reply) => {
    const { registry } = metrics;
    return reply.header('content-type', registry.contentType).send(await registry.metrics());
  });
}

type Finished = { readonly id: string; readonly ms: number };

function finish(
  request: FastifyRequest,
  reply: FastifyReply,
  { id, ms }: Finished,
  { metrics, log }: Observation,
): void {
  const notes = notesOf(request.raw);
  const isGone = !reply.raw.writableFinished;
  const status = isGone ? CLIENT_GONE : reply.raw.statusCode;
  const route = request.routeOptions.url ?? 'unknown';
  const reason = isGone ? 'client_closed_request' : (notes.reason ?? brokenStream(notes.end));
  const bytesIn = Number(request.headers['content-length'] ?? 0) || 0;
  const { timings, hits, tenant, bug } = notes;
  metrics.requestEnded({ route, status, reason, seconds: ms / 1000, bytesIn, timings });
  log.request(levelOf(route, status, reason), Date.now(), {
    id,
    method: request.method,
    route,
    status,
    ms: rounded(ms),
    bytesIn,
    ...(reason === null ? {} : { reason }),
    ...(tenant === null ? {} : { tenant }),
    ...(hits === null ? {} : { media: hits.length, hits }),
    ...(timings === null ? {} : { tokens: tokensOf(timings) }),
    ...(Object.keys(notes.ms).length === 0 ? {} : { stages: roundedAll(notes.ms) }),
    ...(bug === null ? {} : { bug }),
    msg: 'request',
  });
}

function levelOf(route: string, status: number, reason: string | null): RequestLevel {
  if (status >= 500 || reason === 'stream_lost') return 'error';
  return status < 400 && QUIET.has(route) ? 'debug' : 'info';
}

/** The answer's status was 200 when the stream broke. */
function brokenStream(end: string | null): string | null {
  return end === 'lost' ? 'stream_lost' : null;
}

/** Our own errors have a code of a fixed list; the engine's are the engine's. */
function reasonOf(payload: unknown): string {
  if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return 'engine';
  if (payload.length > 65_536) return 'engine';
  try {
    const body = JSON.parse(payload.toString()) as { src?: unknown; error?: { code?: unknown } };
    const code = body.error?.code;
    return body.src === 'mmdeploy' && typeof code === 'string' ? code : 'engine';
  } catch {
    return 'engine';
  }
}

function tokensOf(timings: NonNullable<ReturnType<typeof notesOf>['timings']>) {
  const { promptTokens, cachedTokens, answerTokens } = timings;
  return { prompt: promptTokens, cached: cachedTokens, answer: answerTokens };
}

function roundedAll(values: Readonly<Record<string, number>>): Record<string, number> {
  const all: Record<string, number> = {};
  for (const name in values) all[name] = rounded(values[name] ?? 0);
  return all;
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
