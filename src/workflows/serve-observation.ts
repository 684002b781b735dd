import { join } from 'node:path';
import { makeHost } from '../detect/host.ts';
import { gpuMemoryReader } from '../serve/observe/gpu-memory.ts';
import type { LogLevel } from '../serve/observe/log-level.ts';
import { openRequestLog, type RequestLog } from '../serve/observe/log.ts';
import { createMetrics } from '../serve/observe/metrics.ts';
import type { Observation } from '../serve/observe/requests.ts';
import { watch, type Watched } from '../serve/observe/watched.ts';
import type { Context } from './context.ts';

export type LogRequest = {
  /** A path, `-` for stderr; null: `serve.log` in the state folder. */
  readonly file: string | null;
  readonly level: LogLevel;
};

export type ServeObservation = Observation & {
  readonly log: Pick<RequestLog, 'event'>;
  /** Adds the state of the server's parts to the metrics. */
  readonly watch: (parts: Omit<Watched, 'gpus'>) => Promise<void>;
  readonly close: () => Promise<void>;
};

/**
 * Metrics and the request log. The log goes to a file beside the engine's unless it is sent elsewhere:
 * stderr is for the person who watches, and whoever looks into last night's trouble needs a log that
 * nobody had to ask for.
 */
export function openObservation(
  { file, level }: LogRequest,
  version: string,
  ctx: Context,
): ServeObservation {
  const log = openRequestLog(file ?? join(ctx.folders.state, 'serve.log'), level);
  const metrics = createMetrics(version, (what, detail) =>
    log.event('warn', { what, detail }, 'trouble'),
  );
  return {
    metrics,
    log,
    close: log.close,
    watch: async (parts) => {
      const { run, env, platform } = ctx;
      const gpus = await gpuMemoryReader(makeHost({ run, env, platform }), () => performance.now());
      watch(metrics.registry, { ...parts, gpus });
    },
  };
}
