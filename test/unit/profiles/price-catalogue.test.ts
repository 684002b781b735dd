import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadPrices } from '../../../src/profiles/load.ts';
import { CATALOGUE, cataloguePrice, isProvider } from '../../../src/profiles/price-catalogue.ts';

const read = (path: string) =>
  JSON.parse(readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')) as {
    version?: string;
    dependencies?: Record<string, string>;
  };
const day = new Date('2026-11-22T12:00:00Z');

/** Listed there by another name. */
const OTHER_NAMES = ['gpt-4-vision-preview', 'mistral-medium-2604', 'pixtral-12b-2409'];

describe('the price catalogue', () => {
  it('is the release that is pinned and installed', () => {
    const name = '@pydantic/genai-prices';
    expect(read('package.json').dependencies?.[name]).toBe(CATALOGUE.version);
    expect(read(`node_modules/${name}/package.json`).version).toBe(CATALOGUE.version);
  });

  it('knows a model without an entry of ours, with its day and source', async () => {
    expect(await cataloguePrice('mistral-medium-2505', null, day)).toEqual({
      model: 'mistral-medium-2505',
      ...{ input: 0.4, output: 2, cachedInput: 0.04, asOf: '2026-09-23' },
      source: 'second hand: pydantic/genai-prices 0.1.8, which names mistral.ai/pricing/api',
    });
    expect(await cataloguePrice('no-such-model', null, day)).toBeNull();
  });

  it('says where a provider bills as the vendor does', async () => {
    const price = await cataloguePrice('gpt-4o', 'azure', day);
    expect(price).toMatchObject({ input: 2.5, output: 10, provider: 'azure' });
    expect(price?.source).toMatch(/azure\.microsoft\.com.* as the model’s own vendor does$/);
    expect(await isProvider('azure')).toBe(true);
    expect(await isProvider('asure')).toBe(false);
  });

  it('takes steps, sound and prices to come', async () => {
    expect((await cataloguePrice('gemini-2.5-pro', null, day))?.longContext).toEqual({
      ...{ above: 200_000, input: 2.5, output: 15, cachedInput: 0.25 },
    });
    expect(await cataloguePrice('gemini-2.5-flash', null, day)).toMatchObject({
      ...{ audioInput: 1, cachedAudioInput: 0.1 },
    });
    const next = await cataloguePrice('gemini-3.8-flash', null, new Date('2027-01-02T00:00:00Z'));
    expect(next).toMatchObject({ input: 1.5, output: 7.5 });
  });

  it('agrees with every entry of ours that names it', async () => {
    const ours = (await loadPrices({ user: null, flag: null })).filter(
      ({ source, model }) => source.includes(CATALOGUE.name) && !OTHER_NAMES.includes(model),
    );
    expect(ours.length).toBeGreaterThan(50);
    for (const { model, input, output, longContext, cachedInput, audioInput } of ours) {
      const theirs = await cataloguePrice(model, null, day);
      expect({ model, input, output, longContext, cachedInput, audioInput }).toEqual({
        model,
        input: theirs?.input,
        output: theirs?.output,
        longContext: theirs?.longContext,
        cachedInput: theirs?.cachedInput,
        audioInput: theirs?.audioInput,
      });
    }
  });
});
