import { setTimeout as delay } from 'node:timers/promises';
import { connectEngine, type EngineTarget } from '../engine-target.ts';
import type { EngineProcess } from './engine-process.ts';

export type Readiness = 'ready' | 'exited' | 'silent' | 'aborted';

const POLL_MS = 50;
const HEALTH_TIMEOUT_MS = 2000;

/**
 * Waits until `GET /health` answers 200 (it answers 503 while the model loads). There is no limit on
 * the whole: `silent` means that nothing was printed for `silenceMs`, so that a large model on a slow
 * disk may take its time while a hung one is found.
 */
export async function waitUntilReady(
  engine: Pick<EngineProcess, 'target' | 'quietMs' | 'exited' | 'end'>,
  silenceMs: number,
  signal: AbortSignal,
): Promise<Readiness> {
  for (;;) {
    if (signal.aborted) return 'aborted';
    if (engine.end() !== null) return 'exited';
    const target = engine.target();
    if (target !== null && (await isHealthy(target))) return 'ready';
    if (engine.quietMs() > silenceMs) return 'silent';
    await Promise.race([engine.exited, delay(POLL_MS)]);
  }
}

async function isHealthy(target: EngineTarget): Promise<boolean> {
  const client = connectEngine(target);
  try {
    const { statusCode, body } = await client.request({
      path: '/health',
      method: 'GET',
      signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS),
    });
    await body.dump();
    return statusCode === 200;
  } catch {
    // Not listening yet, or too busy to answer: the next poll tells.
    return false;
  } finally {
    await client.destroy();
  }
}
