import { messageOf } from '../../errors.ts';
import { GatewayError } from '../gateway/errors.ts';

/** `limit` requests wait already. */
export function queueFull(limit: number, retryAfter: number): GatewayError {
  const message = `${limit} requests are waiting already; try again in ${retryAfter} s`;
  return new GatewayError(429, 'queue_full', message, retryAfter);
}

/** No engine will come, for the reason of `error`. */
export function engineNotReady(error: unknown, retryAfter: number): GatewayError {
  return new GatewayError(503, 'engine_not_ready', messageOf(error), retryAfter);
}

export function isolationFailed(): GatewayError {
  const message = 'the slot of another key could not be emptied: this engine cannot isolate keys';
  return new GatewayError(503, 'isolation_failed', message);
}
