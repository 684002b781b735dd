import type { EngineProcess } from './engine-process.ts';

export type StopTimings = {
  /** After the first SIGTERM, until the second, which ends a llama-server that still has clients. */
  readonly politeMs: number;
  /** After the second SIGTERM, until the whole group is killed. */
  readonly killMs: number;
};

export const DEFAULT_STOP_TIMINGS: StopTimings = { politeMs: 2500, killMs: 2500 };

/**
 * SIGTERM, SIGTERM again, SIGKILL; returns when the process is gone. One SIGTERM is not enough:
 * with an open stream llama-server waits for its next ping (30 s by default), and with a request
 * that does not stream for ever. When `force` is aborted the kill comes at once.
 */
export async function stopProcess(
  engine: Pick<EngineProcess, 'exited' | 'signalGroup'>,
  timings: StopTimings,
  force: AbortSignal,
): Promise<void> {
  for (const waitMs of [timings.politeMs, timings.killMs]) {
    if (force.aborted) break;
    engine.signalGroup('SIGTERM');
    if (await endsWithin(engine.exited, waitMs, force)) return;
  }
  engine.signalGroup('SIGKILL');
  await engine.exited;
}

function endsWithin(
  exited: Promise<unknown>,
  waitMs: number,
  force: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (ended: boolean) => {
      clearTimeout(timer);
      force.removeEventListener('abort', onForce);
      resolve(ended);
    };
    const onForce = () => settle(false);
    const timer = setTimeout(() => settle(false), waitMs);
    force.addEventListener('abort', onForce, { once: true });
    void exited.then(() => settle(true));
  });
}
