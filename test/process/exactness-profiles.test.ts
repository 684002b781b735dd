import { describe, expect, inject, it } from 'vitest';
import { parseAudioDescription, parseImageDescription } from '../../src/estimate/describe-input.ts';
import { exactSample } from '../../src/estimate/exact-sample.ts';
import { describeProfile } from '../../src/profiles/describe.ts';
import { folders } from '../../src/process/folders.ts';
import { loadProfiles } from '../../src/profiles/load.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../src/tokens/settings.ts';
import { exactCheck } from '../../src/workflows/estimate-exact.ts';
import { createContext } from '../../src/workflows/create-context.ts';
import { freshHome } from '../helpers/cli.ts';

const llamaServer = inject('llamaServer');
const { profiles } = await loadProfiles({ user: null, flag: null });

/** Models whose images and clips are counted alike are one row: any of them stands for all. */
const ROWS = new Map(
  profiles
    .filter(({ engines }) => engines.includes('llama.cpp'))
    .map((profile) => {
      const { imageTokens, audioTokens, vision } = profile;
      const rules = [imageTokens['llama.cpp'], audioTokens['llama.cpp'], vision?.projector];
      return [JSON.stringify(rules), profile] as const;
    }),
);

const SIZES = [
  ...['1x1', '1x2000', '100x1600', '336x336', '337x336', '640x480', '1024x768', '1280x720'],
  ...['1920x1080', '1080x1920', '4032x3024', '449x1733'],
];
const LENGTHS = ['0.5s', '7.3s', '29.985s', '30s', '61s'];

/** One for all: what it learns of the engine is asked once. */
function context() {
  const env = { ...process.env, HOME: freshHome(), MMDEPLOY_LLAMA_SERVER: llamaServer ?? '' };
  return createContext({ env, folders: folders(env) });
}

describe.skipIf(llamaServer === null)('profiles in the engine, on files that count alike', () => {
  const ctx = context();

  it.each([...ROWS.values()])('$id', async (profile) => {
    const description = describeProfile(profile);
    const inputs = [
      ...(description.imageTokens['llama.cpp'] ? SIZES.map(parseImageDescription) : []),
      ...(description.audioTokens['llama.cpp'] ? LENGTHS.map(parseAudioDescription) : []),
    ];
    const sample = exactSample();
    for (const input of inputs) sample.add(input);
    const check = await exactCheck(
      {
        ...{ id: profile.id, engine: 'llama.cpp', description },
        ...{ vocabulary: null, chatTemplate: null },
      },
      sample,
      { exact: 'auto', settings: { ...DEFAULT_TOKEN_SETTINGS, ubatch: 512 } },
      ctx,
    );
    expect(check).toMatchObject({ asked: inputs.length, differences: [], unasked: [] });
  });
});
