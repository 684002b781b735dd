import { MmdeployError } from '../errors.ts';

/**
 * The error of a model that no profile knows, with its price where the catalogue has one: a price alone
 * counts nothing. Anything else that was thrown is handed back as it is.
 */
export async function withKnownPrice(error: unknown, name: string, day: Date): Promise<unknown> {
  if (!(error instanceof MmdeployError) || error.code !== 'usage.unknown-model') return error;
  const { CATALOGUE, cataloguePrice, isProvider } = await import('../profiles/price-catalogue.ts');
  const [first = '', ...rest] = name.split('/');
  const provider = rest.length > 0 && (await isProvider(first)) ? first : null;
  const model = provider === null ? name : rest.join('/');
  const price = await cataloguePrice(model, provider, day);
  if (price === null) return error;
  return new MmdeployError(
    'usage.unknown-model',
    `\`${name}\` has a price but no profile: how it counts images, audio and text is not known here`,
    {
      details: [
        `a million tokens: $${price.input} in, $${price.output} out (${CATALOGUE.name} ${CATALOGUE.version}, of ${price.asOf})`,
      ],
      hints: [
        ...error.hints,
        `for a model that counts like one of these: \`mmdeploy estimate … --model gpt-4o --price-per-1k ${perThousand(price.input)},${perThousand(price.output)}\``,
      ],
    },
  );
}

function perThousand(usdPerMillion: number): string {
  return String(Number((usdPerMillion / 1000).toFixed(9)));
}
