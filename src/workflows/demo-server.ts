import { MIB } from '../units.ts';
import { DEFAULT_MAX_BODY_BYTES } from '../serve/gateway/gateway.ts';
import type { Context } from './context.ts';
import { DEFAULT_PIPELINE } from './serve-pipeline.ts';
import type { PreparedServe } from './serve-model.ts';
import { prepareServe } from './serve-model.ts';
import type { Serving } from './start-serving.ts';
import { startServing } from './start-serving.ts';

const READY_TIMEOUT_MS = 60_000;
const DRAIN_MS = 2_000;
const CACHE_BYTES = 64 * MIB;

/** Serves the demo model on a free port while `use` runs, and stops it whatever happens. */
export async function withDemoServer<Result>(
  ctx: Context,
  force: AbortSignal,
  use: (serving: Serving, prepared: PreparedServe) => Promise<Result>,
): Promise<Result> {
  const prepared = await prepareServe(
    {
      what: { kind: 'demo' },
      listen: {
        host: '127.0.0.1',
        port: 0,
        apiKeyFile: null,
        corsOrigins: [],
        imageEngine: null,
        engineLog: null,
        log: { file: null, level: 'silent' },
        readyTimeoutMs: READY_TIMEOUT_MS,
        drainMs: DRAIN_MS,
        pipeline: { ...DEFAULT_PIPELINE, maxBodyBytes: DEFAULT_MAX_BODY_BYTES },
        command: null,
      },
      llamaServer: null,
      cacheDir: null,
      cacheBytes: CACHE_BYTES,
    },
    ctx,
  );
  const serving = await startServing(prepared.request, ctx, { ...prepared.tools, force });
  try {
    return await use(serving, prepared);
  } finally {
    await serving.stop();
  }
}
