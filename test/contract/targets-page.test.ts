import { readFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { expect, it } from 'vitest';
import { PACKAGE_VERSION } from '../../src/cli/version.ts';
import { TARGET_NAMES } from '../../src/render/target-names.ts';
import { createContext } from '../../src/workflows/create-context.ts';
import { targetsPage } from '../../src/workflows/targets-page.ts';

const file = 'docs/targets.md';

it('docs/targets.md is what the targets say: `npm run docs:targets` writes it', async () => {
  const options = { ...(await resolveConfig(file)), parser: 'markdown' };
  const page = await format(await targetsPage(PACKAGE_VERSION, createContext()), options);
  expect(readFileSync(file, 'utf8')).toBe(page);
});

it('has a section for every target, with its files, who reads them and how to start it', () => {
  const sections = readFileSync(file, 'utf8').split(/^## /m).slice(1);
  expect(sections.map((each) => each.split('\n')[0])).toEqual([...TARGET_NAMES]);
  for (const section of sections) {
    expect(section).toMatch(/^- `[\w./-]+`: .+/m);
    expect(section).toMatch(/```sh\n.+\n/);
    // A tag without its version cannot be pasted.
    expect(section).not.toMatch(/mmdeploy:(\s|$)/m);
  }
});
