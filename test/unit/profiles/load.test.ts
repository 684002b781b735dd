import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MmdeployError } from '../../../src/errors.ts';
import { profileSchemas } from '../../../src/profiles/json-schemas.ts';
import { findModel } from '../../../src/profiles/layers.ts';
import {
  compileProfiles,
  loadCards,
  loadPrices,
  loadProfiles,
} from '../../../src/profiles/load.ts';
import { familySchema } from '../../../src/profiles/schema.ts';
import { parseYamlFile } from '../../../src/profiles/yaml-document.ts';

const PROFILES = new URL('../../../profiles/', import.meta.url);

function folder(files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(tmpdir(), 'mmdeploy-profiles-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

/** A hosted model, the shortest profile there can be. */
const hosted = (id: string, aliases: readonly string[] = [], family = 'mine') => `family: ${family}
title: Mine
variants:
  - id: ${id}
    aliases: [${aliases.join(', ')}]
    name: Mine
    repository: null
    licence: own
    confidence: read
    modalities: [text, image]
    engines: [api]
    imageTokens:
      api:
        rule: fixed
        params: { tokens: 7, imageSize: 224 }
        wrapper: { begin: '', end: '', tokens: 0 }
        source: own
    sources: [own]
`;

async function errorOf(work: Promise<unknown>): Promise<MmdeployError> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof MmdeployError) return error;
  throw new Error(`no MmdeployError: ${String(error)}`);
}

describe('folders over the built-in profiles', () => {
  it('adds, and replaces with a notice', async () => {
    const user = folder({
      'a.yaml': hosted('my-model'),
      'models/b.yml': hosted('gpt-4o', [], 'b'),
    });
    const { profiles, notices } = await loadProfiles({ user, flag: null });
    expect(findModel(profiles, 'my-model').imageTokens.api?.params).toMatchObject({ tokens: 7 });
    expect(findModel(profiles, 'gpt-4o').file).toBe(join(user, 'models', 'b.yml'));
    expect(notices).toEqual([
      `profile \`gpt-4o\` of ${join(user, 'models', 'b.yml')} replaces profiles/api-models/openai.yaml`,
    ]);
  });

  it('lets --profiles win over the user’s folder', async () => {
    const user = folder({ 'a.yaml': hosted('mine', ['first']) });
    const flag = folder({ 'a.yaml': hosted('mine', ['second']) });
    const { profiles } = await loadProfiles({ user, flag });
    expect(findModel(profiles, 'second').file).toBe(join(flag, 'a.yaml'));
    expect(() => findModel(profiles, 'first')).toThrow(/unknown model/);
  });

  it('needs no user folder, but --profiles must be there', async () => {
    const gone = join(tmpdir(), 'mmdeploy-no-such-folder');
    expect((await loadProfiles({ user: gone, flag: null })).profiles.length).toBeGreaterThan(5);
    const error = await errorOf(loadProfiles({ user: null, flag: gone }));
    expect(error).toMatchObject({ code: 'file.missing', exitCode: 5 });
  });

  it.each([
    ['an id twice', { 'a.yaml': hosted('mine'), 'b.yaml': hosted('mine') }],
    ['an alias that is an id', { 'a.yaml': hosted('mine'), 'b.yaml': hosted('other', ['mine']) }],
    ['an alias of a built-in model', { 'a.yaml': hosted('mine', ['gpt-4v']) }],
  ])('refuses %s', async (_, files) => {
    const error = await errorOf(loadProfiles({ user: folder(files), flag: null }));
    expect(error).toMatchObject({ code: 'profile.invalid', exitCode: 2 });
    expect(error.message).toMatch(/taken twice/);
  });

  it('takes prices and cards of its own', async () => {
    const price = `prices:\n  - {model: gpt-4o, input: 1, output: 2, asOf: '2026-11-01', source: x}\n`;
    const card = `collected: '2026-11-01'
sources: {}
cards:
  - id: my-card
    name: My Card
    vendor: nvidia
    driverNames: [NVIDIA Mine]
    memoryType: GDDR7
    memoryGib: { value: [24], mark: read }
    bandwidthGbs: { value: 1000, mark: read }
    fp16Tflops: null
    compute: null
`;
    const user = folder({ 'prices.yaml': price, 'gpus.yaml': card });
    const prices = await loadPrices({ user, flag: null });
    expect(prices.filter(({ model }) => model === 'gpt-4o')).toMatchObject([{ input: 1 }]);
    const cards = await loadCards({ user, flag: null });
    expect(cards.find(({ id }) => id === 'my-card')).toMatchObject({ devices: 1, reportedMib: [] });
    expect((await loadProfiles({ user, flag: null })).notices).toEqual([]);
  });
});

describe('a faulty file', () => {
  const faults = (text: string) => errorOf(Promise.resolve().then(() => parse(text)));
  const parse = (text: string) => parseYamlFile(text, 'my.yaml', familySchema);
  const good = hosted('mine');

  it.each([
    ['an unknown key', 'licence: own', 'license: own', /^my\.yaml:8:5: .*`licence`\?/],
    ['a wrong type', 'name: Mine', 'name: [1]', /^my\.yaml:6:5: variants\[0\]\.name: .*string/],
    ['a missing key', '    confidence: read\n', '', /^my\.yaml:4:5: variants\[0\]\.confidence: /],
    ['a bad id', 'id: mine', 'id: My Model', /^my\.yaml:4:5: .*lower case/],
    ['an unknown rule', 'rule: fixed', 'rule: fixt', /^my\.yaml:14:9: .*fixed-grid/],
    ['a wrong parameter', 'tokens: 7', 'tokens: -7', /^my\.yaml:15:19: .*params\.tokens/],
    ['broken YAML', 'engines: [api]', 'engines: [api', /^my\.yaml:\d+:\d+: /],
    ['a tab', '    engines: [api]', '\tengines: [api]', /^my\.yaml:\d+:\d+: /],
    [
      'an engine without a rule',
      'engines: [api]',
      'engines: [api, vllm]',
      /no rule for this engine/,
    ],
    ['two documents', 'sources: [own]', 'sources: [own]\n---\nfamily: x', /^my\.yaml:\d+:\d+: /],
  ])('%s is told with its place', async (_, from, to, message) => {
    expect(good).toContain(from);
    const error = await faults(good.replace(from, to));
    expect(error).toMatchObject({ code: 'profile.invalid' });
    expect([error.message, ...error.details].join('\n')).toMatch(message);
    expect(error.hints.join()).toContain('mmdeploy ');
  });

  it.each(['', '[]', 'just text', '{}', '&a [*a, *a]'])('`%s` is no profile', async (text) => {
    expect((await faults(text)).message).toMatch(/^my\.yaml:1:1: |^my\.yaml:/);
  });

  it('stops an alias bomb', async () => {
    const levels = Array.from({ length: 12 }, (_, level) => {
      const below = level === 0 ? 'x' : `*l${level - 1}`;
      return `l${level}: &l${level} [${Array.from({ length: 9 }, () => below).join(', ')}]`;
    });
    expect((await faults(levels.join('\n'))).code).toBe('profile.invalid');
  });

  it('refuses a projector that is not as wide as its language model', async () => {
    const text = readFileSync(new URL('models/internvl2.yaml', PROFILES), 'utf8');
    const error = await faults(text.replace('projectionDim: 6144', 'projectionDim: 4096'));
    expect(error.message).toMatch(/^my\.yaml:\d+:7: .*projectionDim: .*4096, not .* 6144/);
  });
});

describe('a tower without a known layout', () => {
  it('needs its parameters: without them it would weigh nothing', async () => {
    const text = readFileSync(new URL('models/qwen-vl.yaml', PROFILES), 'utf8');
    const bare = text.replace(/^ *parameters: .*\n/m, '');
    expect(bare).not.toBe(text);
    const error = await errorOf(
      Promise.resolve().then(() => parseYamlFile(bare, 'my.yaml', familySchema)),
    );
    expect(error.message).toMatch(/vision\.parameters: .*`qwen-resampler`/);
  });
});

describe('profiles/schema', () => {
  it.each(Object.entries(profileSchemas()))(
    '%s is what the schema says (npm run schemas)',
    (name, text) => {
      expect(readFileSync(new URL(`schema/${name}`, PROFILES), 'utf8')).toBe(text);
    },
  );

  it('is named in the first line of every file', () => {
    for (const place of ['models/', 'api-models/']) {
      for (const name of readdirSync(new URL(place, PROFILES))) {
        const [first] = readFileSync(new URL(place + name, PROFILES), 'utf8').split('\n');
        expect(first, name).toBe('# yaml-language-server: $schema=../schema/family.json');
      }
    }
  });
});

it('compiles to what the YAML files say', async () => {
  const compiled = JSON.parse(JSON.stringify(await compileProfiles())) as unknown;
  const { profiles } = await loadProfiles({ user: null, flag: null });
  const { families } = compiled as Awaited<ReturnType<typeof compileProfiles>>;
  expect(families.flatMap(({ family }) => family.variants.map(({ id }) => id))).toEqual(
    profiles.map(({ id }) => id),
  );
  expect(compiled).toEqual(await compileProfiles());
});
