import { onTestFinished } from 'vitest';
import { NO_WISHES } from '../../src/match/types.ts';
import { prepareServe } from '../../src/workflows/serve-model.ts';
import { startServing, type Serving } from '../../src/workflows/start-serving.ts';
import { serveContext, serveRequest, type TestContext } from './serve-context.ts';
import { PIPELINE, REAL_ENGINE } from './serve-engine.ts';

type Pair = { readonly model: string; readonly mmproj: string };

type PairOptions = {
  readonly contextPerSlot?: number;
  readonly limits?: Partial<(typeof PIPELINE)['limits']>;
  readonly env?: Readonly<Record<string, string>>;
};

/** The real engine with a pair of files while the test runs, planned and started as `mmdeploy serve FILE` does. */
export async function servePair(
  { model, mmproj }: Pair,
  { contextPerSlot = 4096, limits = {}, env = {} }: PairOptions = {},
): Promise<Serving & TestContext> {
  const context = serveContext(env);
  const { command, host, port, apiKeyFile, corsOrigins, imageEngine, ...request } =
    serveRequest('unused');
  const { engineLog, log, readyTimeoutMs, drainMs } = request;
  const pipeline = { ...PIPELINE, limits: { ...PIPELINE.limits, ...limits } };
  const prepared = await prepareServe(
    {
      what: {
        kind: 'model',
        plan: {
          model: { name: model, mmproj, profilesDir: null },
          machine: { gpus: ['none'], machineFile: null, profilesDir: null },
          wishes: { ...NO_WISHES, contextPerSlot, slots: 1 },
          requirements: [],
          engine: 'auto',
        },
      },
      listen: {
        ...{ command, host, port, apiKeyFile, corsOrigins, imageEngine, engineLog, log },
        ...{ readyTimeoutMs, drainMs, pipeline },
      },
      llamaServer: REAL_ENGINE,
      cacheDir: request.media.cacheDir,
      cacheBytes: 64_000_000,
    },
    context.ctx,
  );
  const serving = await startServing(prepared.request, context.ctx, prepared.tools);
  onTestFinished(() => serving.stop());
  return { ...serving, ...context };
}
