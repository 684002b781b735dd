import type { PriceInUse } from './cost.ts';

/** `--price-per-1k IN[,OUT]`: dollars a thousand tokens. */
export type PerThousand = { readonly input: number; readonly output: number | null };

/** `--gpu-price-per-hour X --tokens-per-second IN[,OUT]` of everything that serves the model together. */
export type GpuRate = {
  readonly usdPerHour: number;
  readonly inputPerSecond: number;
  readonly outputPerSecond: number | null;
};

/** A price that the user knows better; answers cost nothing where only input was priced. */
export function perThousandPrice(model: string, { input, output }: PerThousand): PriceInUse {
  return {
    ...{ model, input: sixDecimals(input * 1000), output: sixDecimals((output ?? 0) * 1000) },
    ...{ asOf: null, source: 'given: --price-per-1k', given: 'given' },
  };
}

/**
 * What a million tokens cost on hardware that is paid by the hour: the price of a second, shared by the
 * tokens of a second. It holds while the hardware is kept busy at that rate.
 */
export function gpuPrice(model: string, rate: GpuRate): PriceInUse {
  const { usdPerHour, inputPerSecond, outputPerSecond } = rate;
  const perMillion = (tokensPerSecond: number) =>
    sixDecimals(((usdPerHour / SECONDS) * MILLION) / tokensPerSecond);
  const input = perMillion(inputPerSecond);
  const output = outputPerSecond === null ? 0 : perMillion(outputPerSecond);
  const formula = (tokensPerSecond: number, usd: number) =>
    `$${usdPerHour} an hour / (3,600 s x ${tokensPerSecond} tokens/s) x 1,000,000 = $${usd}`;
  return {
    ...{ model, input, output, asOf: null, given: 'gpu-hours' },
    source: 'given: --gpu-price-per-hour, --tokens-per-second',
    formula: [
      `in: ${formula(inputPerSecond, input)}`,
      ...(outputPerSecond === null ? [] : [`out: ${formula(outputPerSecond, output)}`]),
    ].join('; '),
  };
}

const SECONDS = 3600;
const MILLION = 1_000_000;

/** The millionths of a dollar that money is counted in. */
function sixDecimals(usd: number): number {
  return Math.round(usd * MILLION) / MILLION;
}
