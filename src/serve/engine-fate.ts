import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { EngineSource } from './seams.ts';

/** A connection ends before its process is seen to: a driver that frees a card's memory takes a while. */
const DEATH_IS_KNOWN_MS = 1000;
const LOOK_MS = 10;

/**
 * Returns when the engine that was ready as `life` is known to have ended, or after so long that only a
 * connection can have broken. Whoever asks it meanwhile may meet a process that is just dying.
 */
export async function untilFateKnown(
  source: EngineSource,
  life: number,
  signal: AbortSignal,
): Promise<void> {
  const until = performance.now() + DEATH_IS_KNOWN_MS;
  while (source.engine !== null && source.life === life && performance.now() < until) {
    if (signal.aborted) return;
    await delay(LOOK_MS);
  }
}
