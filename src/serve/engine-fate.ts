import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cancellation, EngineSource } from './seams.ts';

/**
 * When a connection has ended and its engine is not known to have died for so long, only the connection
 * broke. The process is reaped later than its sockets are closed (a driver frees a card's memory first), and
 * its last output is waited for, half a second at most.
 */
export const DEATH_IS_KNOWN_MS = 1500;
const LOOK_MS = 10;

/**
 * Returns when the engine that was ready as `life` is known to have ended, or after so long that only a
 * connection can have broken. Whoever asks it meanwhile may meet a process that is just dying.
 */
export async function untilFateKnown(
  source: EngineSource,
  life: number,
  signal: Cancellation,
): Promise<void> {
  const until = performance.now() + DEATH_IS_KNOWN_MS;
  while (source.engine !== null && source.life === life && performance.now() < until) {
    if (signal.aborted) return;
    await delay(LOOK_MS);
  }
}
