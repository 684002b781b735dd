import { MmdeployError } from '../../errors.ts';
import type { CachedInput } from '../../estimate/cost.ts';
import type { PricingRequest } from '../../workflows/estimate-price.ts';
import { wholeNumber } from './values.ts';

export type PricingOptions = {
  readonly batch?: boolean;
  readonly cachedInputTokens?: string;
  readonly provider?: string;
  readonly pricePer1k?: string;
  readonly gpuPricePerHour?: string;
  readonly tokensPerSecond?: string;
};

/** The flags that decide what tokens cost; throws `usage.invalid` naming the flag and its value. */
export function toPricing(options: PricingOptions, outputTokens: number | null): PricingRequest {
  const perThousand = pair('--price-per-1k', options.pricePer1k, {
    least: 0,
    example: '0.0025,0.01',
  });
  const speed = pair('--tokens-per-second', options.tokensPerSecond, {
    ...{ least: Number.MIN_VALUE, example: '8000,1200' },
  });
  const gpu = gpuOf(options, speed);
  for (const [flag, given] of [
    ['--price-per-1k', perThousand],
    ['--tokens-per-second', speed],
  ] as const) {
    if (given !== null && given.output === null && (outputTokens ?? 0) > 0) {
      throw new MmdeployError(
        'usage.invalid',
        `\`${flag} ${given.text}\` does not speak of answers`,
        {
          hints: [
            `--output-tokens ${outputTokens ?? 0} are to be priced too: \`${flag} ${given.text},OUT\``,
          ],
        },
      );
    }
  }
  return {
    perThousand:
      perThousand === null ? null : { input: perThousand.input, output: perThousand.output },
    gpu,
    provider: options.provider?.trim().toLowerCase() ?? null,
    batch: options.batch === true,
    cached: cachedInput(options.cachedInputTokens),
  };
}

function gpuOf(
  { gpuPricePerHour, tokensPerSecond }: PricingOptions,
  speed: Pair | null,
): PricingRequest['gpu'] {
  if (gpuPricePerHour === undefined && speed === null) return null;
  if (gpuPricePerHour === undefined || speed === null) {
    const [has, lacks] =
      gpuPricePerHour === undefined
        ? [`--tokens-per-second ${tokensPerSecond ?? ''}`, '--gpu-price-per-hour 2.49']
        : [`--gpu-price-per-hour ${gpuPricePerHour}`, '--tokens-per-second 8000,1200'];
    throw new MmdeployError('usage.invalid', `\`${has}\` alone is no price of a token`, {
      hints: [`give both: \`mmdeploy estimate … ${has} ${lacks}\``],
    });
  }
  const usdPerHour = decimal(gpuPricePerHour);
  if (!(usdPerHour >= 0)) {
    throw new MmdeployError(
      'usage.invalid',
      `\`--gpu-price-per-hour ${gpuPricePerHour}\` is no price`,
      {
        hints: ['give dollars an hour, as in `--gpu-price-per-hour 2.49`'],
      },
    );
  }
  return { usdPerHour, inputPerSecond: speed.input, outputPerSecond: speed.output };
}

type Pair = { readonly input: number; readonly output: number | null; readonly text: string };

function pair(
  flag: string,
  text: string | undefined,
  { least, example }: { least: number; example: string },
): Pair | null {
  if (text === undefined) return null;
  const parts = text.split(',').map(decimal);
  const [input = Number.NaN, output = null] = parts;
  const valid = parts.length <= 2 && parts.every((part) => part >= least);
  if (valid) return { input, output, text: text.trim() };
  throw new MmdeployError('usage.invalid', `\`${flag} ${text}\` is not IN[,OUT]`, {
    hints: [`give one number, or two with a comma between: \`${flag} ${example}\``],
  });
}

/** A plain decimal with a dot and up to nine places; NaN for anything else. */
function decimal(text: string): number {
  return /^\s*\d{1,12}(\.\d{1,9})?\s*$/.test(text) ? Number(text) : Number.NaN;
}

function cachedInput(text: string | undefined): CachedInput | null {
  if (text === undefined) return null;
  const percent = /^(\d{1,3}(?:\.\d{1,2})?)%$/.exec(text.trim())?.[1];
  if (percent === undefined) {
    return { tokens: wholeNumber('--cached-input-tokens', text, 0, MOST_TOKENS) ?? 0 };
  }
  const basisPoints = Math.round(Number(percent) * 100);
  if (basisPoints <= 10_000) return { basisPoints };
  throw new MmdeployError('usage.invalid', `\`--cached-input-tokens ${text}\` is more than all`, {
    hints: ['give tokens or a share up to 100%, as in `--cached-input-tokens 40%`'],
  });
}

const MOST_TOKENS = 1_000_000_000_000;
