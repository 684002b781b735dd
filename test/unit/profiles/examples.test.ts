import { describe, expect, it } from 'vitest';
import { describeProfile } from '../../../src/profiles/describe.ts';
import { loadCards, loadPrices, loadProfiles } from '../../../src/profiles/load.ts';
import { parseImageSize } from '../../../src/profiles/schema.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../../src/tokens/settings.ts';
import { findAudioRule } from '../../../src/tokens/rules/audio.ts';
import { findTokenRule } from '../../../src/tokens/rules/index.ts';

const { profiles } = await loadProfiles({ user: null, flag: null });

describe.each(profiles)('examples of $id', (profile) => {
  it('has one for every engine it can be counted for', () => {
    const shown = (of: 'image' | 'audio') =>
      [
        ...new Set(
          profile.examples.flatMap((each) => (each[of] === undefined ? [] : [each.engine])),
        ),
      ].sort();
    expect(shown('image')).toEqual(Object.keys(profile.imageTokens).sort());
    expect(shown('audio')).toEqual(Object.keys(profile.audioTokens).sort());
  });

  const clips = profile.examples.filter(({ audio }) => audio !== undefined);
  it.each(clips)('$engine $audio s: $tokens tokens ($source)', (example) => {
    const use = profile.audioTokens[example.engine];
    const { tokens } = findAudioRule(use!.rule)!.bind(use!.params).count(example.audio!);
    expect(tokens + use!.wrapper.tokens).toBe(example.tokens);
  });

  const images = profile.examples.filter(({ image }) => image !== undefined);
  it.each(images)('$engine $image $detail: $tokens tokens ($source)', (example) => {
    const { asOf, detail = null, mediaResolution = null } = example;
    const described = describeProfile(profile, asOf === undefined ? {} : { asOf });
    const use = described.imageTokens[example.engine];
    const rule = findTokenRule(use?.rule ?? '');
    const size = parseImageSize(example.image!);
    expect(rule).not.toBeNull();
    const settings = { ...DEFAULT_TOKEN_SETTINGS, detail, mediaResolution };
    const { tokens } = rule!.bind(use!.params).count(size!, settings);
    expect(tokens + use!.wrapper.tokens).toBe(example.tokens);
  });
});

describe('built-in data', () => {
  it('prices only hosted models there are, each once; what could not be sourced is named here', async () => {
    const priced = (await loadPrices({ user: null, flag: null })).map(({ model }) => model);
    const hosted = profiles.filter(({ engines }) => engines.includes('api')).map(({ id }) => id);
    expect(new Set(priced).size).toBe(priced.length);
    expect(hosted.filter((id) => !priced.includes(id)).sort()).toEqual([
      'mistral-medium-2505',
      'mistral-small-2503',
      'mistral-small-2506',
    ]);
    expect(priced.filter((id) => !hosted.includes(id))).toEqual([]);
  });

  it('names every source of a card', async () => {
    const cards = await loadCards({ user: null, flag: null });
    expect(cards.length).toBeGreaterThanOrEqual(40);
    expect(new Set(cards.map(({ id }) => id)).size).toBe(cards.length);
    expect(new Set(cards.map(({ name }) => name.toLowerCase())).size).toBe(cards.length);
  });
});
