import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { loadProfiles } from '../../src/profiles/load.ts';
import { tokensPage } from '../../src/workflows/tokens-page.ts';

it('is what the rules and profiles say: `npm run docs:tokens` writes it', async () => {
  expect(readFileSync('docs/tokens.md', 'utf8')).toBe(await tokensPage());
});

it('names every family', async () => {
  const page = await tokensPage();
  const { profiles } = await loadProfiles({ user: null, flag: null });
  const counted = profiles.filter(({ imageTokens }) => Object.keys(imageTokens).length > 0);
  for (const { family } of counted) expect(page).toContain(`| ${family} |`);
});
