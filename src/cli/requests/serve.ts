import { MmdeployError } from '../../errors.ts';
import { corsOrigins } from '../../serve/gateway/cors.ts';
import { imageEngineUrl } from '../../serve/gateway/routes/image-engine.ts';
import type { PrepareServe, ServeWhat } from '../../workflows/serve-model.ts';
import type { PlanOptions } from './plan.ts';
import { toPlanRequest } from './plan.ts';
import { milliseconds, sizeInBytes, wholeNumber } from './values.ts';

export type ServeOptions = PlanOptions & {
  readonly plan?: string;
  readonly demo?: boolean;
  readonly host: string;
  readonly port: string;
  readonly apiKeyFile?: string;
  readonly corsOrigin?: string;
  readonly imageEngine?: string;
  readonly llamaServer?: string;
  readonly engineLog?: string;
  readonly cacheDir?: string;
  readonly cacheBytes: string;
  readonly readyTimeout: string;
  readonly stallTimeout: string;
  readonly idleUnload: string;
  readonly drain: string;
};

/** Turns the flags of `serve` into what to serve and where; throws `usage.invalid` naming the flag. */
export function serveRequest(
  options: ServeOptions,
  model: string | undefined,
  command: readonly string[] | null,
): PrepareServe {
  const port = wholeNumber('--port', options.port, 0, 65_535) ?? 0;
  return {
    what: whatToServe(options, model),
    llamaServer: options.llamaServer ?? null,
    cacheDir: options.cacheDir ?? null,
    cacheBytes: sizeInBytes('--cache-bytes', options.cacheBytes),
    listen: {
      host: options.host,
      port,
      apiKeyFile: options.apiKeyFile ?? null,
      imageEngine: options.imageEngine === undefined ? null : imageEngineUrl(options.imageEngine),
      corsOrigins: options.corsOrigin === undefined ? [] : corsOrigins(options.corsOrigin),
      engineLog: options.engineLog ?? null,
      readyTimeoutMs: milliseconds('--ready-timeout', options.readyTimeout),
      stallTimeoutMs: milliseconds('--stall-timeout', options.stallTimeout) || Infinity,
      idleUnloadMs: milliseconds('--idle-unload', options.idleUnload) || null,
      drainMs: milliseconds('--drain', options.drain),
      command,
    },
  };
}

function whatToServe(options: ServeOptions, model: string | undefined): ServeWhat {
  const given = [model, options.plan, options.demo].filter((each) => each !== undefined);
  if (given.length !== 1) {
    const what =
      given.length === 0 ? 'nothing to serve' : 'MODEL, `--plan` and `--demo` exclude each other';
    throw new MmdeployError('usage.invalid', what, {
      hints: [
        'give one: `mmdeploy serve ./model.gguf`, `mmdeploy serve --plan plan.json` or `mmdeploy serve --demo`',
      ],
    });
  }
  if (options.demo === true) return { kind: 'demo' };
  if (options.plan !== undefined) {
    return { kind: 'plan-file', file: options.plan, profilesDir: options.profiles ?? null };
  }
  return { kind: 'model', plan: toPlanRequest(model ?? '', options) };
}
