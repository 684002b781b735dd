import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { MIB } from '../../units.ts';
import type { EngineSource, Tenant } from '../seams.ts';
import type { ImageOrder } from './chat/chat-request.ts';
import { takeResponsesApart } from './chat/responses-request.ts';
import type { PipelineParts } from './chat/pipeline.ts';
import {
  capConnections,
  DEFAULT_CONNECTION_LIMITS,
  endWhenStalled,
  timeoutOptions,
  type ConnectionLimits,
} from './connection-limits.ts';
import { corsHeaders, preflightHeaders, type CorsOrigins } from './cors.ts';
import { readyEngine } from './engine-call.ts';
import { GatewayError } from './errors.ts';
import { requestTimeout } from './deadline.ts';
import { InFlight, type Deadline } from './in-flight.ts';
import type { KeyRing } from './key-file.ts';
import { ANONYMOUS, tenantOf } from './keys.ts';
import { refuseMalformed, sendError } from './reply-error.ts';
import { registerForwarded } from './routes/forwarded.ts';
import { registerImages } from './routes/images.ts';
import { registerObservation, type Observation } from '../observe/requests.ts';
import { noteBug, notesOf } from '../observe/request-notes.ts';
import { registerModels } from './routes/models.ts';
import { registerChat } from './routes/chat.ts';
import { registerMessages } from './routes/messages.ts';
import { registerPrompts, type PromptRouteOptions } from './routes/prompts.ts';
import { registerTranscriptions } from './routes/transcriptions.ts';
import type { Client, ClientOf } from './routes/request.ts';

export type GatewayOptions = {
  readonly engine: EngineSource;
  readonly keys: KeyRing;
  readonly corsOrigins: CorsOrigins;
  /** Where images are made; null answers 501. */
  readonly imageEngine: URL | null;
  readonly maxBodyBytes: number;
  readonly connections?: ConnectionLimits;
  /** Milliseconds for a request as a whole, from its head to its last byte; null: as long as it takes. */
  readonly requestTimeoutMs?: number | null;
  /** Metrics and the log; null for none. */
  readonly observation: Observation | null;
  /** What requests with a prompt pass on their way. */
  readonly prompts: PromptOptions;
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
const RESPONSES: PromptRouteOptions = {
  path: '/v1/responses',
  countPath: '/v1/responses/input_tokens',
  format: 'responses',
  takeApart: takeResponsesApart,
};
/** For the last error events to reach their clients. */
const FLUSH_MS = 1000;

/** The HTTP server that clients see: OpenAI's interface in front of a supervised engine. */
export function createGateway(options: GatewayOptions): Gateway {
  const inFlight = new InFlight();
  const limits = options.connections ?? DEFAULT_CONNECTION_LIMITS;
  let draining = false;
  const app = Fastify({
    bodyLimit: options.maxBodyBytes,
    requestTimeout: limits.requestMs,
    http: timeoutOptions(limits),
    forceCloseConnections: true,
    frameworkErrors: (error, _request, reply) => {
      void sendError(error, reply);
    },
    clientErrorHandler: refuseMalformed,
  });
  capConnections(app.server, limits);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body);
  });
  if (options.observation !== null) registerObservation(app, options.observation);
  answerErrors(app, inFlight);
  app.addHook('onRequest', (request, reply, done) => {
    inFlight.add(reply.raw, deadlineOf(options, request));
    endWhenStalled(reply.raw, limits);
    reply.headers(corsHeaders(options.corsOrigins, request.headers));
    if (options.corsOrigins.length > 0 && isPreflight(request)) {
      // A browser sends no key with it, and learns nothing but what is allowed.
      reply.code(204).headers(preflightHeaders(request.headers)).send();
      return;
    }
    const tenant = tenantOf(options.keys.current(), request.headers);
    notesOf(request.raw).tenant = tenant;
    done(PROBES.includes(request.routeOptions.url ?? '') ? undefined : refusal(tenant, draining));
  });
  addProbes(app, options.engine, () => draining);
  const clientOf = (request: FastifyRequest, reply: FastifyReply): Client => {
    const notes = notesOf(request.raw);
    notes.stage = 'answer';
    return { tenant: notes.tenant ?? ANONYMOUS, signal: inFlight.signalOf(reply.raw) };
  };
  addRoutes(app, options, clientOf);
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

/** Whatever broke when a request's time was over, that is what its client is told. */
function answerErrors(app: FastifyInstance, inFlight: InFlight): void {
  app.setErrorHandler((error, request, reply) => {
    const { reason } = inFlight.signalOf(reply.raw);
    const cause = reason instanceof GatewayError ? reason : error;
    noteBug(request.raw, sendError(cause, reply).statusCode, cause);
    return reply;
  });
  app.setNotFoundHandler((request, reply) => sendError(unknownRoute(app, request, reply), reply));
}

function addRoutes(app: FastifyInstance, options: GatewayOptions, clientOf: ClientOf): void {
  const { engine: source, prompts } = options;
  const { imageOrder, ...way } = prompts;
  const parts = { ...way, source };
  const chat = { parts, imageOrder, clientOf };
  registerChat(app, chat);
  registerMessages(app, chat);
  registerPrompts(app, parts, clientOf, RESPONSES);
  registerTranscriptions(app, parts, clientOf);
  registerForwarded(app, { source, clientOf }, '/tokenize', 'tokenize');
  registerModels(app, { source, clientOf });
  registerImages(app, options.imageEngine, clientOf);
}

function deadlineOf(
  { engine, requestTimeoutMs: limitMs = null }: GatewayOptions,
  { raw }: FastifyRequest,
): Deadline | null {
  if (limitMs === null) return null;
  const reason = () => {
    const notes = notesOf(raw);
    const isMissing = notes.stage === 'answer' && engine.engine === null;
    const error = requestTimeout(limitMs, isMissing ? 'engine' : notes.stage);
    // A stream has its status already: its line in the log has the reason.
    notes.reason ??= error.code;
    return error;
  };
  return { limitMs, reason };
}

function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}

function refusal(tenant: Tenant | null, draining: boolean): GatewayError | undefined {
  if (tenant !== null) return draining ? stopping() : undefined;
  return new GatewayError(401, 'invalid_api_key', 'give a valid key: `Authorization: Bearer KEY`');
}

/** 405 where the path has another method, else 404. */
function unknownRoute(
  app: FastifyInstance,
  { method, url }: FastifyRequest,
  reply: FastifyReply,
): GatewayError {
  const path = url.split('?')[0] ?? '';
  const others = (['GET', 'POST'] as const).filter((each) =>
    app.hasRoute({ method: each, url: path }),
  );
  if (others.length === 0) {
    return new GatewayError(404, 'unknown_route', `no such route: ${method} ${path}`);
  }
  reply.header('allow', others.join(', '));
  const message = `${path} takes ${others.join(' and ')}, not ${method}`;
  return new GatewayError(405, 'method_not_allowed', message);
}

function stopping(): GatewayError {
  return new GatewayError(503, 'server_stopping', 'the server is stopping', 5);
}

function addProbes(app: FastifyInstance, engine: EngineSource, draining: () => boolean): void {
  app.get('/health', () => ({ status: 'ok' }));
  app.get('/ready', () => {
    if (draining()) throw stopping();
    // Asleep is able to serve: taken out of rotation it would never get the request that wakes it.
    if (engine.asleep === true) return { status: 'asleep' };
    readyEngine(engine);
    return { status: 'ready' };
  });
}
