import { Pool } from 'undici';

/** Where a llama-server of ours listens: a Unix socket, or a port of 127.0.0.1 that it chose itself. */
export type EngineTarget =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'port'; readonly port: number };

/** Far below the 5 s after which a llama-server closes an idle connection. */
const IDLE_MS = 1000;

/**
 * llama-server says `max=100`, and closes a connection behind its hundredth answer without another word: a
 * request that was sent meanwhile is lost, and it takes a second to know that the engine is not.
 */
const MOST_REQUESTS = 90;

/**
 * HTTP client for one engine. A connection carries one request at a time and is kept for a second: a
 * connection per request would more than double what the gateway costs. It is given up long before
 * the engine would close it (`exchange` gives up those of streams at once), so that no request is sent into
 * a connection that is just being closed.
 * No time-outs: an answer may take minutes, and a dead engine resets the socket.
 */
export function connectEngine(target: EngineTarget): Pool {
  const common = {
    pipelining: 1,
    keepAliveTimeout: IDLE_MS,
    // The engine's own `Keep-Alive` header may say more.
    keepAliveMaxTimeout: IDLE_MS,
    maxRequestsPerClient: MOST_REQUESTS,
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  return target.kind === 'socket'
    ? new Pool('http://engine', { ...common, socketPath: target.path })
    : new Pool(`http://127.0.0.1:${target.port}`, common);
}
