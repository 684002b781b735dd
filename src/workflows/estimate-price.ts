import { MmdeployError } from '../errors.ts';
import type { EngineName } from '../contracts/basis.ts';
import type { CachedInput, PriceInUse } from '../estimate/cost.ts';
import type { GpuRate, PerThousand } from '../estimate/given-price.ts';
import { gpuPrice, perThousandPrice } from '../estimate/given-price.ts';
import type { ApiPrice } from '../profiles/price-schema.ts';
import { loadPrices } from '../profiles/load.ts';
import type { Context } from './context.ts';
import { profileFolders } from './model.ts';

/** How a bill is made out; everything null or false: at the vendor's list price. */
export type PricingRequest = {
  /** Wins over every list, for all models. */
  readonly perThousand: PerThousand | null;
  /** For models that run on hardware of one's own. */
  readonly gpu: GpuRate | null;
  /** Who bills API models; null: each model's own vendor. */
  readonly provider: string | null;
  readonly batch: boolean;
  readonly cached: CachedInput | null;
};

export const LIST_PRICES: PricingRequest = {
  ...{ perThousand: null, gpu: null, provider: null, batch: false, cached: null },
};

/** A model as a price list knows it. */
type Priced = { readonly id: string; readonly engine: EngineName };

type ListRequest = {
  /** `--profiles DIR`. */
  readonly profilesDir: string | null;
  /** `--as-of DAY`. */
  readonly asOf: string | null;
};

/** The price of one model; null where none is known. */
export type PriceBook = (model: Priced) => Promise<PriceInUse | null>;

/** Prices as asked for. Throws `usage.invalid` for a provider that no list knows. */
export async function openPrices(
  pricing: PricingRequest,
  request: ListRequest,
  ctx: Context,
): Promise<PriceBook> {
  const prices = await loadPrices(profileFolders(ctx, request.profilesDir));
  await refuseUnknownProvider(pricing.provider, prices);
  const day = request.asOf === null ? ctx.now() : new Date(`${request.asOf}T12:00:00Z`);
  const { perThousand, gpu, provider, batch, cached } = pricing;
  return async ({ id, engine }) => {
    if (perThousand !== null) return perThousandPrice(id, perThousand);
    if (engine !== 'api') return gpu === null ? null : gpuPrice(id, gpu);
    const price = await listPrice(prices, { id, provider, day });
    return price === null ? null : { ...price, batch, cached };
  };
}

/** `prices.yaml` wins over the catalogue that comes with mmdeploy. */
export async function listPrice(
  prices: readonly ApiPrice[],
  { id, provider, day }: { id: string; provider: string | null; day: Date },
): Promise<ApiPrice | null> {
  const own = prices.find((price) => price.model === id && (price.provider ?? null) === provider);
  if (own !== undefined) return own;
  const { cataloguePrice } = await import('../profiles/price-catalogue.ts');
  return cataloguePrice(id, provider, day);
}

async function refuseUnknownProvider(
  provider: string | null,
  prices: readonly ApiPrice[],
): Promise<void> {
  if (provider === null || prices.some((price) => price.provider === provider)) return;
  const { isProvider } = await import('../profiles/price-catalogue.ts');
  if (await isProvider(provider)) return;
  throw new MmdeployError('usage.invalid', `\`--provider ${provider}\`: no list has its prices`, {
    hints: [
      '`--provider` takes azure, aws, google, openrouter and others that genai-prices lists',
      'or give the price itself: `mmdeploy estimate … --price-per-1k 0.0025,0.01`',
    ],
  });
}
