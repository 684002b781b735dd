import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { messageOf } from '../../errors.ts';
import { MIB } from '../../units.ts';
import { takeChatApart, type ImageOrder } from './chat/chat-request.ts';
import { replyToPrompt } from './chat/chat-route.ts';
import type { PipelineParts } from './chat/pipeline.ts';
import { cleanBody, withoutOperatorFields } from './client-fields.ts';
import { parseObject } from './json.ts';
import { GatewayError, errorBody } from './errors.ts';
import { estimatePrompt, type ImageCounting } from './estimate-prompt.ts';
import type { EngineSource } from '../seams.ts';
import { readyEngine } from './engine-call.ts';
import { forward } from './forward.ts';
import { InFlight } from './in-flight.ts';
import { keyCheck } from './keys.ts';
import { promptEngine } from './prompt-engine.ts';

export type GatewayOptions = {
  readonly engine: EngineSource;
  readonly counting: ImageCounting;
  /** Accepted keys; empty: no key is asked for. */
  readonly keys: readonly string[];
  readonly maxBodyBytes: number;
  /** What chat requests pass on their way; null passes them on as they are. */
  readonly prompts: PromptOptions | null;
};

export type PromptOptions = Omit<PipelineParts, 'source'> & { readonly imageOrder: ImageOrder };

export const DEFAULT_MAX_BODY_BYTES = 64 * MIB;

export type Gateway = {
  /** Binds and returns the port; rejects with the system's error (`EADDRINUSE` …). */
  readonly listen: (host: string, port: number) => Promise<number>;
  /**
   * New requests get 503; running ones may finish within `limitMs`, then they end with an error that
   * says so. Aborting `force` ends the waiting.
   */
  readonly drain: (limitMs: number, force: AbortSignal) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Liveness and readiness are for orchestrators: no key, and answered while draining. */
const PROBES = ['/health', '/ready'];
const CHAT = '/v1/chat/completions';
const PASSED_ON = ['/v1/completions', '/tokenize'];
const REQUEST_TIMEOUT_MS = 300_000;
/** For the last error events to reach their clients. */
const FLUSH_MS = 1000;

/** The HTTP server that clients see: OpenAI's interface in front of a supervised engine. */
export function createGateway(options: GatewayOptions): Gateway {
  const inFlight = new InFlight();
  let draining = false;
  const app = Fastify({
    bodyLimit: options.maxBodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    frameworkErrors: (error, _request, reply) => {
      void sendError(error, reply);
    },
    clientErrorHandler: refuseMalformed,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body);
  });
  app.setErrorHandler((error, _request, reply) => sendError(error, reply));
  app.setNotFoundHandler((request, reply) => {
    const what = `${request.method} ${request.url.split('?')[0] ?? ''}`;
    return sendError(new GatewayError(404, 'unknown_route', `no such route: ${what}`), reply);
  });
  const accepts = keyCheck(options.keys);
  app.addHook('onRequest', (request, reply, done) => {
    inFlight.add(reply.raw);
    done(
      PROBES.includes(request.routeOptions.url ?? '')
        ? undefined
        : refusal(request, accepts, draining),
    );
  });
  addProbes(app, options.engine, () => draining);
  addRoutes(app, options, inFlight);
  return {
    listen: async (host, port) => {
      await app.listen({ host, port });
      const address = app.server.address();
      return typeof address === 'object' && address !== null ? address.port : port;
    },
    drain: async (limitMs, force) => {
      draining = true;
      if (await inFlight.idleWithin(limitMs, force)) return;
      inFlight.abortAll(stopping());
      await inFlight.idleWithin(FLUSH_MS, force);
    },
    close: () => app.close(),
  };
}

function refusal(
  request: FastifyRequest,
  accepts: (authorization: string | undefined) => boolean,
  draining: boolean,
): GatewayError | undefined {
  if (!accepts(request.headers.authorization)) {
    return new GatewayError(
      401,
      'invalid_api_key',
      'give a valid key: `Authorization: Bearer KEY`',
    );
  }
  return draining ? stopping() : undefined;
}

function stopping(): GatewayError {
  return new GatewayError(503, 'server_stopping', 'the server is stopping', 5);
}

function addProbes(app: FastifyInstance, engine: EngineSource, draining: () => boolean): void {
  app.get('/health', () => ({ status: 'ok' }));
  app.get('/ready', () => {
    if (draining()) throw stopping();
    readyEngine(engine);
    return { status: 'ready' };
  });
}

function addRoutes(app: FastifyInstance, options: GatewayOptions, inFlight: InFlight): void {
  const { engine, counting, prompts } = options;
  if (prompts !== null) addChat(app, { ...prompts, source: engine }, prompts.imageOrder, inFlight);
  for (const path of prompts === null ? [CHAT, ...PASSED_ON] : PASSED_ON) {
    app.post(path, (request, reply) => {
      const body = cleanBody(bodyOf(request));
      const abort = inFlight.signalOf(reply.raw);
      return forward(engine, { path, method: 'POST', body }, request, reply, abort);
    });
  }
  app.get('/v1/models', (request, reply) => {
    const upstream = { path: '/v1/models', method: 'GET', body: null } as const;
    return forward(engine, upstream, request, reply, inFlight.signalOf(reply.raw));
  });
  app.post('/mmdeploy/v1/estimate', async (request, reply) => {
    const chat = parseObject(bodyOf(request));
    const asked = promptEngine(readyEngine(engine), inFlight.signalOf(reply.raw));
    try {
      return await estimatePrompt(chat, asked, counting);
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      throw new GatewayError(502, 'engine_lost', messageOf(error), engine.retryAfterSeconds);
    }
  });
}

function addChat(
  app: FastifyInstance,
  parts: PipelineParts,
  order: ImageOrder,
  inFlight: InFlight,
): void {
  const route = { path: CHAT, countPath: `${CHAT}/input_tokens` };
  app.post(CHAT, (request, reply) => {
    const body = withoutOperatorFields(parseObject(bodyOf(request)));
    const client = { tenant: 'anonymous', signal: inFlight.signalOf(reply.raw) };
    return replyToPrompt(parts, route, takeChatApart(body, order), client, request, reply);
  });
}

function bodyOf(request: FastifyRequest): Buffer {
  if (Buffer.isBuffer(request.body)) return request.body;
  throw new GatewayError(400, 'invalid_json', 'the request has no body');
}

function sendError(error: unknown, reply: FastifyReply): FastifyReply {
  const { status, code, message, retryAfter } = asGatewayError(error);
  if (retryAfter !== null) reply.header('retry-after', String(retryAfter));
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  return reply.code(status).send(errorBody(status, code, message));
}

/** Fastify's own refusals (body too large, wrong content type) carry a status; the rest is a bug. */
function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const { statusCode, code } = error as { statusCode?: unknown; code?: unknown };
  const status = typeof statusCode === 'number' ? statusCode : 500;
  const name = typeof code === 'string' ? code.replace(/^FST_ERR_(CTP_)?/, '').toLowerCase() : '';
  return new GatewayError(status, name === '' ? 'internal_error' : name, messageOf(error));
}

/** What cannot be parsed as HTTP never reaches a route; it gets the same form of answer. */
function refuseMalformed(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 431
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 408
        : 400;
  const body = JSON.stringify(errorBody(status, 'malformed_request', error.message));
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\ncontent-type: application/json`;
  const length = Buffer.byteLength(body);
  socket.end(`${head}\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${body}`);
}
