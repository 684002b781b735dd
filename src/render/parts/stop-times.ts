import type { Deployment } from '../types.ts';

/** `--drain` of the gateway: how long running answers may take once it is told to end. */
export const DRAIN_SECONDS = 30;
/** Of Kubernetes: a pod is no longer sent requests a moment after it is told to end, and not before. */
export const PRE_STOP_SECONDS = 5;
/** The gateway then ends its engine, within 5 s unless the machine is busy (serve/supervisor/stop-process). */
const ENGINE_STOP_SECONDS = 15;
/** llama-server with an open stream notices at its next ping that it is to end. */
const PING_SECONDS = 30;

/** From SIGTERM to SIGKILL: longer than what the process needs at most. */
export function stopSeconds({ shape }: Pick<Deployment, 'shape'>): number {
  return (shape === 'gateway' ? DRAIN_SECONDS : PING_SECONDS) + ENGINE_STOP_SECONDS;
}
