import { Pool } from 'undici';

/** Where a llama-server of ours listens: a Unix socket, or a port of 127.0.0.1 that it chose itself. */
export type EngineTarget =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'port'; readonly port: number };

/**
 * HTTP client for one engine. Each request has a connection of its own (`pipelining: 0`): it costs
 * some 50 us on loopback, and no request is ever lost to a kept-alive connection that the engine
 * was just closing. No time-outs: an answer may take minutes, and a dead engine resets the socket.
 */
export function connectEngine(target: EngineTarget): Pool {
  const common = { pipelining: 0, headersTimeout: 0, bodyTimeout: 0 };
  return target.kind === 'socket'
    ? new Pool('http://engine', { ...common, socketPath: target.path })
    : new Pool(`http://127.0.0.1:${target.port}`, common);
}
