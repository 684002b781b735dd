import { describe, expect, it } from 'vitest';
import { loadCards, loadPrices, loadProfiles } from '../../../src/profiles/load.ts';
import { parseImageSize } from '../../../src/profiles/schema.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../../src/tokens/settings.ts';
import { findTokenRule } from '../../../src/tokens/rules/index.ts';

const { profiles } = await loadProfiles({ user: null, flag: null });

describe.each(profiles)('examples of $id', (profile) => {
  it('has one for every engine it can be counted for', () => {
    const shown = new Set(profile.examples.map(({ engine }) => engine));
    expect([...shown].sort()).toEqual(Object.keys(profile.imageTokens).sort());
  });

  it.each(profile.examples)('$engine $image $detail: $tokens tokens ($source)', (example) => {
    const use = profile.imageTokens[example.engine];
    const rule = findTokenRule(use?.rule ?? '');
    const size = parseImageSize(example.image);
    expect(rule).not.toBeNull();
    const settings = { ...DEFAULT_TOKEN_SETTINGS, detail: example.detail ?? null };
    const { tokens } = rule!.bind(use!.params).count(size!, settings);
    expect(tokens + use!.wrapper.tokens).toBe(example.tokens);
  });
});

describe('built-in data', () => {
  it('prices only models there are, hosted ones all of them', async () => {
    const prices = await loadPrices({ user: null, flag: null });
    const hosted = profiles.filter(({ engines }) => engines.includes('api')).map(({ id }) => id);
    expect(prices.map(({ model }) => model).sort()).toEqual(hosted.sort());
  });

  it('names every source of a card', async () => {
    const cards = await loadCards({ user: null, flag: null });
    expect(cards.length).toBeGreaterThanOrEqual(40);
    expect(new Set(cards.map(({ id }) => id)).size).toBe(cards.length);
    expect(new Set(cards.map(({ name }) => name.toLowerCase())).size).toBe(cards.length);
  });
});
