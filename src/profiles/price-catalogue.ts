import type { ModelPrice } from '@pydantic/genai-prices';
import type { ApiPrice } from './price-schema.ts';

/** The release that package.json pins; a test compares the two. Its day is that of its publication. */
export const CATALOGUE = { name: 'pydantic/genai-prices', version: '0.1.8', asOf: '2026-09-23' };

/**
 * The price of a model by the catalogue that comes with mmdeploy, null where it has none. It is a file of
 * the installed package: nothing is fetched. `provider` is who bills (`azure`, `aws`, `openrouter` …); the
 * model's own vendor where null. Prices that change on a day are those of `on`.
 */
export async function cataloguePrice(
  model: string,
  provider: string | null,
  on: Date,
): Promise<ApiPrice | null> {
  // 830 KB: loaded only where prices.yaml has no entry.
  const { calcPrice } = await import('@pydantic/genai-prices');
  const from = provider === null ? [undefined, ...VENDORS] : [provider];
  for (const providerId of from) {
    const options = { timestamp: on, ...(providerId === undefined ? {} : { providerId }) };
    const found = calcPrice({ input_tokens: 1, output_tokens: 1 }, model, options);
    const price = found === null ? null : toPrice(model, found.model_price);
    if (found === null || price === null) continue;
    const page = found.provider.pricing_urls?.[0]?.replace(/^https:\/\//, '');
    const named = page === undefined ? '' : `, which names ${page}`;
    const listed = found.provider.models.some(({ id }) => id === found.model.id);
    const borrowed = listed ? '' : ' and bills it as the model’s own vendor does';
    const source = `second hand: ${CATALOGUE.name} ${CATALOGUE.version}${named}${borrowed}`;
    return { ...price, ...(provider === null ? {} : { provider }), source };
  }
  return null;
}

/** Vendors some of whose models are not found by their name alone. */
const VENDORS = ['mistral', 'openai', 'aws'];

/** Whether the catalogue has a provider of this id: what `--provider` takes. */
export async function isProvider(id: string): Promise<boolean> {
  const { findProvider } = await import('@pydantic/genai-prices');
  return findProvider({ providerId: id })?.id === id;
}

/** Null for models that are billed by something other than tokens. */
function toPrice(model: string, rates: ModelPrice): Omit<ApiPrice, 'source'> | null {
  const [input, output] = [rates['input_mtok'], rates['output_mtok']];
  if (input === undefined || output === undefined) return null;
  const optional = (name: keyof ApiPrice, rate: Rate | undefined) =>
    rate === undefined ? {} : { [name]: baseOf(rate) };
  return {
    model,
    input: baseOf(input),
    output: baseOf(output),
    ...optional('cachedInput', rates['cache_read_mtok']),
    ...optional('cacheWrite', rates['cache_write_mtok']),
    ...optional('imageInput', rates['input_image_mtok']),
    ...optional('audioInput', rates['input_audio_mtok']),
    ...optional('cachedAudioInput', rates['cache_audio_read_mtok']),
    ...optional('videoInput', rates['input_video_mtok']),
    ...optional('audioOutput', rates['output_audio_mtok']),
    ...longContext(input, output, rates['cache_read_mtok']),
    asOf: CATALOGUE.asOf,
  };
}

type Rate = NonNullable<ModelPrice[string]>;

function baseOf(rate: Rate): number {
  return typeof rate === 'number' ? rate : rate.base;
}

/** The first step: the catalogue has few models with a second one. */
function longContext(input: Rate, output: Rate, cached: Rate | undefined) {
  if (typeof input === 'number') return {};
  const [first] = input.tiers;
  if (first === undefined) return {};
  const inStep = (rate: Rate) =>
    typeof rate === 'number' ? rate : (rate.tiers[0]?.price ?? rate.base);
  return {
    longContext: {
      above: first.start,
      input: first.price,
      output: inStep(output),
      ...(cached === undefined ? {} : { cachedInput: inStep(cached) }),
    },
  };
}
