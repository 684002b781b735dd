import type { RequestMode } from '../../estimate/entry.ts';
import { parseShard, shardFromEnvironment } from '../../estimate/shard.ts';
import type { EstimateRequest } from '../../workflows/estimate.ts';
import type { CommonOptions } from '../shell.ts';
import type { CheckOptions } from './budgets.ts';
import { toChecks } from './budgets.ts';
import type { PricingOptions } from './pricing.ts';
import { toPricing } from './pricing.ts';
import { dayOf, wholeNumber } from './values.ts';

export type EstimateOptions = CommonOptions & PricingOptions & CheckOptions & CountOptions;

type CountOptions = {
  readonly manifest?: readonly string[];
  readonly null?: boolean;
  readonly allowRemote?: readonly string[];
  readonly model?: readonly string[];
  readonly engine: EstimateRequest['engine'];
  readonly mmproj?: string;
  readonly tokenizer?: string;
  readonly image?: readonly string[];
  readonly audio?: readonly string[];
  readonly video?: readonly string[];
  readonly text?: readonly string[];
  readonly textTokens?: readonly string[];
  readonly detail?: NonNullable<EstimateRequest['detail']>;
  readonly mediaResolution?: NonNullable<EstimateRequest['mediaResolution']>;
  readonly imageMinTokens?: string;
  readonly imageMaxTokens?: string;
  readonly ubatch?: string;
  readonly plan?: string;
  readonly outputTokens?: string;
  readonly asOf?: string;
  readonly decode?: boolean;
  readonly pdfDpi?: string;
  readonly requests?: RequestMode;
  readonly shard?: string;
  readonly dedupe?: boolean;
  readonly exact?: string;
  readonly items?: boolean;
  readonly strict?: boolean;
};

/** Below, nothing can be read; above, a page is larger than any model takes. */
const MIN_PDF_DPI = 18;
const MAX_PDF_DPI = 1200;

/** Turns the flags of `estimate` into a request; throws `usage.invalid` naming the flag and its value. */
export function toEstimateRequest(
  paths: readonly string[],
  options: EstimateOptions,
  env: Readonly<Record<string, string | undefined>>,
): EstimateRequest {
  const outputTokens = wholeNumber('--output-tokens', options.outputTokens, 0);
  return {
    paths,
    manifests: options.manifest ?? [],
    nul: options.null === true,
    allowRemote: options.allowRemote ?? [],
    images: options.image ?? [],
    audios: options.audio ?? [],
    videos: options.video ?? [],
    texts: options.text ?? [],
    textTokens: options.textTokens ?? [],
    models: options.model ?? [],
    engine: options.engine,
    detail: options.detail ?? null,
    mediaResolution: options.mediaResolution ?? null,
    imageMinTokens: wholeNumber('--image-min-tokens', options.imageMinTokens),
    imageMaxTokens: wholeNumber('--image-max-tokens', options.imageMaxTokens),
    ubatch: wholeNumber('--ubatch', options.ubatch),
    asOf: dayOf('--as-of', options.asOf),
    decode: options.decode === true,
    pdfDpi: wholeNumber('--pdf-dpi', options.pdfDpi, MIN_PDF_DPI, MAX_PDF_DPI),
    requests: options.requests ?? 'one',
    shard: shardOf(options.shard, env),
    dedupe: options.dedupe === true,
    exact: options.exact ?? null,
    items: options.items === true,
    outputTokens,
    pricing: toPricing(options, outputTokens),
    checks: toChecks(options),
    strict: options.strict === true,
    profilesDir: options.profiles ?? null,
    mmproj: options.mmproj ?? null,
    tokenizer: options.tokenizer ?? null,
  };
}

function shardOf(
  text: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): EstimateRequest['shard'] {
  if (text === undefined) return null;
  return text === 'auto' ? shardFromEnvironment(env) : parseShard(text);
}
