import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { MmdeployError } from '../errors.ts';
import { isLoopback, listenError, localUrl } from '../serve/gateway/address.ts';
import { createGateway, type Gateway } from '../serve/gateway/gateway.ts';
import type { CorsOrigins } from '../serve/gateway/cors.ts';
import { DEFAULT_RESTART_POLICY } from '../serve/restart-policy.ts';
import { LateEngine } from '../serve/late-engine.ts';
import { chooseOrphanGuard, type OrphanGuard } from '../serve/supervisor/orphan-guard.ts';
import { makeSocketFolder, type SocketFolder } from '../serve/supervisor/socket-folder.ts';
import { DEFAULT_STOP_TIMINGS } from '../serve/supervisor/stop-process.ts';
import { watchLimits } from '../serve/progress.ts';
import {
  DEFAULT_WATCH,
  type ReliefOptions,
  type SupervisorOptions,
} from '../serve/supervisor/options.ts';
import { Supervisor } from '../serve/supervisor/supervisor.ts';
import type { Context } from './context.ts';
import { openKeys, type ServeKeys } from './serve-keys.ts';
import type { MediaCacheRequest } from './serve-media.ts';
import { openObservation, type LogRequest, type ServeObservation } from './serve-observation.ts';
import {
  openPipeline,
  type Pipeline,
  type PipelineSettings,
  type ServedModel,
} from './serve-pipeline.ts';
import { phaseLog, phaseNotices, seconds } from './serve-notices.ts';

export type ServeRequest = {
  /** The engine's arguments, without host, port and the folder that it reads media from. */
  readonly argv: readonly string[];
  readonly media: MediaCacheRequest;
  readonly log: LogRequest;
  readonly enginePath: string;
  /** What its environment has beside this program's own. */
  readonly engineEnv?: Readonly<Record<string, string>>;
  readonly modelId: string;
  /** What it is started with, for the person who watches: context and slots. */
  readonly settings?: string;
  /** Where the gateway listens; port 0 takes any free one. */
  readonly host: string;
  readonly port: number;
  readonly apiKeyFile: string | null;
  /** Asks for a key without a file: one of its own, for whoever starts it. */
  readonly ownKey?: boolean;
  readonly corsOrigins: CorsOrigins;
  /** Where `/v1/images/generations` goes. */
  readonly imageEngine: URL | null;
  /** null: `engine.log` in the state folder. */
  readonly engineLog: string | null;
  /** How long the engine may print nothing while it loads. */
  readonly readyTimeoutMs: number;
  /** How long running requests may take once a stop was asked for. */
  readonly drainMs: number;
  /** How long running requests may make no progress before the engine is killed; 10 min where absent. */
  readonly stallTimeoutMs?: number;
  /** For a request as a whole; null: as long as it takes. */
  readonly requestTimeoutMs?: number | null;
  /** After so long without requests the engine is unloaded until the next; null: never. */
  readonly idleUnloadMs?: number | null;
  readonly pipeline: PipelineSettings;
  /** Flags that the engine knows; absent: all that there are. */
  readonly engineFlags?: readonly string[];
  /** A program to run once ready, after whose end the server stops. */
  readonly command: readonly string[] | null;
};

export type ServeTools = {
  readonly model: ServedModel;
  /** What may be given up when memory runs out; absent: nothing. */
  readonly relief?: ReliefOptions;
  /** For the line that says where the server listens; `notice` where absent. */
  readonly announce?: (line: string) => void;
  /** Of this program, for the metrics. */
  readonly version?: string;
  /** A second Ctrl-C: no more waiting. */
  readonly force?: AbortSignal;
};

export type Serving = {
  /** `http://127.0.0.1:8080`, without `/v1`. */
  readonly url: string;
  /** A key that is valid while it serves; null where none is asked for. */
  readonly apiKey: string | null;
  /** The engine's process, for diagnosis. */
  readonly enginePid: () => number | undefined;
  /** Resolves when the engine used up its restarts; never otherwise. */
  readonly gaveUp: Promise<MmdeployError>;
  /** Drains, ends the engine and frees the port. */
  readonly stop: () => Promise<void>;
};

/** Starts engine and gateway and returns when requests can be answered; the caller stops it. */
export async function startServing(
  request: ServeRequest,
  ctx: Context,
  tools: ServeTools,
): Promise<Serving> {
  await checkEngine(request.enginePath);
  const keys = await openKeys(request, ctx.notice);
  const folder = ctx.platform === 'win32' ? null : await makeSocketFolder(ctx.env);
  const source = new LateEngine();
  const seen = openObservation(request.log, tools.version ?? 'unknown', ctx);
  const { observer } = seen.metrics;
  const pipeline = await openPipeline(request, tools.model, source, observer, ctx);
  const guard = await chooseOrphanGuard(ctx.run, ctx.platform);
  const options = supervisorOptions(request, ctx, tools, { guard, folder, pipeline, seen });
  const supervisor = new Supervisor(options);
  source.become(supervisor, () => supervisor.settings.relief.imageMaxTokens);
  const gateway = createGateway({
    engine: supervisor,
    keys: keys.ring,
    corsOrigins: request.corsOrigins,
    imageEngine: request.imageEngine,
    maxBodyBytes: request.pipeline.maxBodyBytes,
    requestTimeoutMs: request.requestTimeoutMs ?? null,
    observation: seen,
    prompts: pipeline.prompts,
  });
  const parts = { supervisor, gateway, folder, pipeline, keys, seen };
  try {
    const { scheduler, store } = pipeline;
    await seen.watch({ engine: supervisor, schedule: scheduler.stats, store: store.stats });
    const port = await bind(request, keys.ownKey !== null, ctx, gateway);
    const url = localUrl(request.host, port);
    ctx.notice(`engine    ${request.enginePath}`);
    ctx.notice(
      `starting  ${request.modelId}${request.settings === undefined ? '' : `, ${request.settings}`}`,
    );
    const tookMs = await startUnlessStopped(supervisor, ctx.signal);
    const announce = tools.announce ?? ctx.notice;
    announce(`ready in ${seconds(tookMs)} s at ${url}`);
    const stop = () => stopServing(parts, request.drainMs, tools.force);
    const { gaveUp } = supervisor;
    return { url, apiKey: keys.ownKey, enginePid: () => supervisor.pid, gaveUp, stop };
  } catch (error) {
    await stopServing(parts, 0, tools.force);
    throw error;
  }
}

function supervisorOptions(
  request: ServeRequest,
  ctx: Context,
  tools: ServeTools,
  {
    guard,
    folder,
    pipeline,
    seen,
  }: { guard: OrphanGuard } & Pick<Parts, 'folder' | 'pipeline' | 'seen'>,
): SupervisorOptions {
  const notices = phaseNotices(ctx.notice);
  const logged = phaseLog(seen.log.event);
  return {
    command: {
      file: request.enginePath,
      args: [...request.argv, ...pipeline.engineArgs],
      env: { ...ctx.env, ...request.engineEnv },
      listen: folder === null ? { kind: 'port' } : { kind: 'socket', path: folder.socketPath },
      guard,
      logFile: request.engineLog ?? join(ctx.folders.state, 'engine.log'),
    },
    readyTimeoutMs: request.readyTimeoutMs,
    stop: DEFAULT_STOP_TIMINGS,
    restart: DEFAULT_RESTART_POLICY,
    watch: watchLimits(request.stallTimeoutMs ?? DEFAULT_WATCH.stallMs),
    ...(tools.relief === undefined ? {} : { relief: tools.relief }),
    idleUnloadMs: request.idleUnloadMs ?? null,
    random: Math.random,
    onPhase: (phase) => {
      if (phase.kind === 'crashed' && !phase.relieved) pipeline.crashed();
      if (phase.kind === 'relieved') pipeline.relieved();
      notices(phase);
      logged(phase);
    },
  };
}

async function bind(
  { host, port }: ServeRequest,
  hasKeys: boolean,
  ctx: Context,
  gateway: Gateway,
): Promise<number> {
  const bound = await gateway.listen(host, port).catch((error: unknown) => {
    throw listenError(error, host, port);
  });
  if (!isLoopback(host) && !hasKeys) {
    ctx.notice(
      `warning: listening on ${host}, beyond this machine, without a key: whoever reaches port ${bound} can use it (\`--api-key-file FILE\`)`,
    );
  }
  return bound;
}

async function startUnlessStopped(supervisor: Supervisor, signal: AbortSignal): Promise<number> {
  const startedAt = performance.now();
  const onAbort = () => void supervisor.stop();
  if (signal.aborted) throw new MmdeployError('interrupted', 'stopped before the engine started');
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await supervisor.start();
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
  return performance.now() - startedAt;
}

type Parts = {
  readonly supervisor: Supervisor;
  readonly gateway: Gateway;
  readonly folder: SocketFolder | null;
  readonly pipeline: Pipeline;
  readonly keys: ServeKeys;
  readonly seen: ServeObservation;
};

async function stopServing(
  { supervisor, gateway, folder, pipeline, keys, seen }: Parts,
  drainMs: number,
  force: AbortSignal = new AbortController().signal,
): Promise<void> {
  const onForce = () => supervisor.force();
  if (force.aborted) onForce();
  force.addEventListener('abort', onForce, { once: true });
  try {
    supervisor.drain();
    await gateway.drain(drainMs, force);
    await supervisor.stop();
    await gateway.close();
    keys.ring.close();
    await pipeline.close();
    await folder?.remove();
    await seen.close();
  } finally {
    force.removeEventListener('abort', onForce);
  }
}

async function checkEngine(path: string): Promise<void> {
  try {
    await access(path, constants.X_OK);
  } catch (error) {
    throw new MmdeployError('engine.not-found', `\`${path}\` is no program that can be run`, {
      hints: ['install an engine: `mmdeploy engine install`'],
      cause: error,
    });
  }
}
