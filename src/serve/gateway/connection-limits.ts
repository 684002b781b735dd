import type { Server, ServerResponse } from 'node:http';

/** What a connection may do before it is cut, so that clients that never finish cost the others nothing. */
export type ConnectionLimits = {
  /** For the whole head of a request. */
  readonly headMs: number;
  /** For the whole request, its body included. */
  readonly requestMs: number;
  /** How long a client may take nothing of an answer that waits for it. */
  readonly stalledMs: number;
  /** Connections beyond it are closed at once. */
  readonly maxConnections: number;
};

export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = {
  headMs: 10_000,
  // 64 MiB, the largest body, at 5 Mbit/s.
  requestMs: 120_000,
  stalledMs: 60_000,
  maxConnections: 8192,
};

/** Node looks at its connections only now and then: a limit is kept to within a quarter of the shortest. */
export function timeoutOptions({ headMs, requestMs }: ConnectionLimits) {
  return {
    headersTimeout: headMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: Math.ceil(Math.min(headMs, requestMs) / 4),
  };
}

export function capConnections(server: Server, { maxConnections }: ConnectionLimits): void {
  server.maxConnections = maxConnections;
}

/**
 * Ends `response` once its client has taken nothing for `stalledMs` although there is something to take.
 * A quiet engine is no reason: a long prompt may keep a connection silent for minutes.
 */
export function endWhenStalled(response: ServerResponse, { stalledMs }: ConnectionLimits): void {
  response.setTimeout(stalledMs, () => {
    const waiting = response.writableLength + (response.socket?.writableLength ?? 0);
    if (waiting > 0) response.destroy();
  });
}
