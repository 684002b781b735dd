import { MmdeployError } from '../../errors.ts';
import type { ImageOrder } from '../../serve/gateway/chat/chat-request.ts';
import { MIB } from '../../units.ts';
import { corsOrigins } from '../../serve/gateway/cors.ts';
import { LOG_LEVELS, type LogLevel } from '../../serve/observe/log-level.ts';
import { imageEngineUrl } from '../../serve/gateway/routes/image-engine.ts';
import type { PrepareServe, ServeWhat } from '../../workflows/serve-model.ts';
import type { PlanOptions } from './plan.ts';
import { toPlanRequest } from './plan.ts';
import { mediaLimits, remoteHosts, type MediaOptions } from './serve-media.ts';
import { milliseconds, sizeInBytes, wholeNumber } from './values.ts';

export type ServeOptions = PlanOptions &
  MediaOptions & {
    readonly plan?: string;
    readonly demo?: boolean;
    readonly selftest?: boolean;
    readonly host: string;
    readonly port: string;
    readonly apiKeyFile?: string;
    readonly corsOrigin?: string;
    readonly imageEngine?: string;
    readonly llamaServer?: string;
    readonly engineLog?: string;
    readonly log?: string;
    readonly logLevel: string;
    readonly cacheDir?: string;
    readonly cacheBytes: string;
    readonly readyTimeout: string;
    readonly stallTimeout: string;
    readonly idleUnload: string;
    readonly drain: string;
    readonly queue: string;
    readonly queueTimeout: string;
    readonly requestTimeout: string;
    readonly slotCache?: string;
    readonly maxBody: string;
    readonly imageOrder: string;
    readonly isolateTenants?: boolean;
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
      log: { file: options.log ?? null, level: logLevel(options.logLevel) },
      readyTimeoutMs: milliseconds('--ready-timeout', options.readyTimeout),
      stallTimeoutMs: milliseconds('--stall-timeout', options.stallTimeout) || Infinity,
      idleUnloadMs: milliseconds('--idle-unload', options.idleUnload) || null,
      requestTimeoutMs: milliseconds('--request-timeout', options.requestTimeout) || null,
      drainMs: milliseconds('--drain', options.drain),
      pipeline: {
        queueLimit: wholeNumber('--queue', options.queue, 0, 100_000) ?? 0,
        queueTimeoutMs: milliseconds('--queue-timeout', options.queueTimeout),
        slotCacheBytes:
          options.slotCache === undefined ? null : sizeInBytes('--slot-cache', options.slotCache),
        maxBodyBytes: bodyBytes(options.maxBody),
        imageOrder: imageOrder(options.imageOrder),
        isolateTenants: options.isolateTenants ?? false,
        limits: mediaLimits(options),
        remoteHosts: remoteHosts(options.allowRemoteMedia),
      },
      command,
    },
  };
}

/** More than Node can hold in one string of base64 would only fail later. */
const MOST_BODY_BYTES = 512 * MIB;

function bodyBytes(text: string): number {
  const bytes = sizeInBytes('--max-body', text);
  if (bytes >= 1024 && bytes <= MOST_BODY_BYTES) return bytes;
  throw new MmdeployError('usage.invalid', `--max-body: \`${text}\` is not 1 KiB to 512 MiB`, {
    hints: ['allow bodies of 128 MiB: `mmdeploy serve … --max-body 128MiB`'],
  });
}

function imageOrder(text: string): ImageOrder {
  if (text === 'first' || text === 'as-sent') return text;
  throw new MmdeployError('usage.invalid', `--image-order: \`${text}\` is no order`, {
    hints: ['give one: `--image-order first` or `--image-order as-sent`'],
  });
}

function logLevel(value: string): LogLevel {
  const level = LOG_LEVELS.find((each) => each === value);
  if (level !== undefined) return level;
  throw new MmdeployError('usage.invalid', `\`--log-level ${value}\` is no level`, {
    hints: [`give one of ${LOG_LEVELS.join(', ')}, as in \`--log-level warn\``],
  });
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
