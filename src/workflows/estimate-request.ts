import type { EngineName } from '../contracts/basis.ts';
import { MmdeployError } from '../errors.ts';
import type { RequestMode } from '../estimate/entry.ts';
import type { Shard } from '../estimate/shard.ts';
import type { ChecksRequest } from './estimate-checks.ts';
import type { PricingRequest } from './estimate-price.ts';
import type { TokenSettings } from '../tokens/settings.ts';

export type EstimateRequest = {
  /** Files, folders and patterns; `-` is a list of them on stdin. */
  readonly paths: readonly string[];
  /** `--manifest`; `-` is stdin. */
  readonly manifests: readonly string[];
  /** The list on stdin is separated by NUL. */
  readonly nul: boolean;
  /** `--allow-remote`: hosts, commas between, or `any`. */
  readonly allowRemote: readonly string[];
  /** `--image WxH[*N]`. */
  readonly images: readonly string[];
  /** `--audio SECONDSs[*N]`. */
  readonly audios: readonly string[];
  /** `--video SECONDSs@WxH[@FPS][*N]`. */
  readonly videos: readonly string[];
  readonly texts: readonly string[];
  readonly textTokens: readonly (string | number)[];
  /** Profile ids, aliases or GGUF paths; one entry may hold several, separated by commas. */
  readonly models: readonly string[];
  readonly engine: EngineName | 'auto';
  readonly detail: TokenSettings['detail'];
  readonly mediaResolution: TokenSettings['mediaResolution'];
  readonly imageMinTokens: number | null;
  readonly imageMaxTokens: number | null;
  readonly ubatch: number | null;
  /** `2026-03-01`: count by the vendor's rules of that day; null: by those of today. */
  readonly asOf: string | null;
  /** Prove that files decode; without it a sound header is enough. */
  readonly decode: boolean;
  /** Dots per inch that pages of a PDF are taken at; null: 150. */
  readonly pdfDpi: number | null;
  /** Keep one row for each input. */
  readonly items: boolean;
  /** `auto` or the address of a llama-server, to be asked beside the rules. */
  readonly exact?: string | null;
  readonly outputTokens: number | null;
  /** How the bill is made out; at list prices where left out. */
  readonly pricing?: PricingRequest;
  /** What the estimate is held against, and whether models stand side by side. */
  readonly checks?: ChecksRequest;
  /** How inputs make requests. */
  readonly requests: RequestMode;
  /** The share of the inputs that is counted here; null: all of them. */
  readonly shard: Shard | null;
  /** Look for media that come several times. */
  readonly dedupe: boolean;
  /** Read by the caller: a document with unreadable inputs is then exit 7. */
  readonly strict: boolean;
  /** `--profiles DIR`. */
  readonly profilesDir: string | null;
  readonly mmproj: string | null;
  /** `--tokenizer FILE`: tokenizer.json or GGUF to count text with in place of the model's own. */
  readonly tokenizer: string | null;
};

/** A request for nothing yet: everything that has a default at its default. */
export const NOTHING_ASKED: EstimateRequest = {
  ...{ paths: [], manifests: [], nul: false, allowRemote: [] },
  ...{ images: [], audios: [], videos: [], texts: [], textTokens: [] },
  ...{ models: [], engine: 'auto', mmproj: null, tokenizer: null, profilesDir: null },
  ...{ detail: null, mediaResolution: null, imageMinTokens: null, imageMaxTokens: null },
  ...{ ubatch: null, asOf: null, decode: false, pdfDpi: null },
  ...{ requests: 'one', shard: null, dedupe: false },
  ...{ items: false, outputTokens: null, strict: false },
};

/** llama.cpp's own default, where a count depends on it. */
const DEFAULT_UBATCH = 512;

/** What changes the count, checked. Throws `usage.invalid`. */
export function settingsOf(request: EstimateRequest): TokenSettings {
  const imageMinTokens = wholeNumber('image-min-tokens', request.imageMinTokens, 1);
  const imageMaxTokens = wholeNumber('image-max-tokens', request.imageMaxTokens, 1);
  if (imageMinTokens !== null && imageMaxTokens !== null && imageMinTokens > imageMaxTokens) {
    throw new MmdeployError(
      'usage.invalid',
      `--image-min-tokens ${imageMinTokens} exceeds --image-max-tokens ${imageMaxTokens}`,
      { hints: [`\`mmdeploy estimate --image-max-tokens ${imageMinTokens}\``] },
    );
  }
  const ubatch = wholeNumber('ubatch', request.ubatch, 1) ?? DEFAULT_UBATCH;
  const { detail, mediaResolution } = request;
  return { imageMinTokens, imageMaxTokens, ubatch, detail, mediaResolution };
}

/** Throws `usage.invalid` for anything but a whole number. */
export function wholeNumber(flag: string, value: number | null, least = 0): number | null {
  if (value === null || (Number.isSafeInteger(value) && value >= least)) return value;
  throw new MmdeployError('usage.invalid', `--${flag} ${value}: not a whole number from ${least}`, {
    hints: [`as in \`mmdeploy estimate --${flag} 512\``],
  });
}
