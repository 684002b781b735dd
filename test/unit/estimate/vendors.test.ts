import { describe, expect, it } from 'vitest';
import type { EngineName } from '../../../src/contracts/basis.ts';
import type { EstimateInput } from '../../../src/contracts/estimate.ts';
import type { CountedModel } from '../../../src/estimate/count.ts';
import { countInputs } from '../../../src/estimate/count.ts';
import {
  imageInput,
  parseAudioDescription,
  parseImageDescription,
  parseVideoDescription,
} from '../../../src/estimate/describe-input.ts';
import { tallyOf, totalOf } from '../../../src/estimate/totals.ts';
import { warningsOf } from '../../../src/estimate/warnings.ts';
import { describeProfile } from '../../../src/profiles/describe.ts';
import { findModel } from '../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../src/profiles/load.ts';
import type { TokenSettings } from '../../../src/tokens/settings.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../../src/tokens/settings.ts';

const { profiles } = await loadProfiles({ user: null, flag: null });
const model = (id: string, engine: EngineName = 'api', asOf?: string): CountedModel => ({
  id,
  engine,
  description: describeProfile(findModel(profiles, id), asOf === undefined ? {} : { asOf }),
  vocabulary: null,
  chatTemplate: null,
});
const total = (
  counted: CountedModel,
  inputs: readonly EstimateInput[],
  settings: Partial<TokenSettings> = {},
) =>
  totalOf(counted, countInputs(inputs, counted, { ...DEFAULT_TOKEN_SETTINGS, ...settings }), {
    ...{ price: null, outputTokens: 0, items: true },
  });
const image = parseImageDescription('1920x1080');

describe('sound and film at a vendor', () => {
  // ai.google.dev, guides "tokens" and "media resolution"; OpenAI's guide "realtime costs".
  it.each([
    ['gemini-2.5-flash', '10s', 320, 250],
    ['gemini-3-flash-preview', '60s', 1920, 1500],
    ['gpt-audio', '10s', 100, 100],
    ['gpt-audio', '60s', 600, 600],
    ['gpt-audio', '3600s', 36_000, 36_000],
    ['gpt-audio', '0.05s', 1, 1],
  ])('%s: %s of sound', (id, text, tokens, low) => {
    const counted = total(model(id), [parseAudioDescription(text)]);
    expect(counted.tokens).toMatchObject({ total: tokens, audio: tokens, image: 0, wrapper: 0 });
    expect(counted.range).toEqual({ low, high: tokens });
  });

  it.each([
    ['gemini-2.5-flash', null, 15_780, 17_400],
    ['gemini-2.5-flash', 'low', 5880, 5880],
    ['gemini-3-flash-preview', null, 6120, 6120],
    ['gemini-3-flash-preview', 'high', 18_720, 18_720],
  ] as const)('%s: a minute of film at %s', (id, mediaResolution, tokens, high) => {
    const film = parseVideoDescription('60s@1280x720');
    const counted = total(model(id), [film], { mediaResolution });
    expect(counted.tokens).toMatchObject({ total: tokens, video: tokens });
    expect(counted.range?.high).toBe(high);
    expect(counted.confidence).toBe('range');
  });

  it('is unknown, not nothing, where it is not taken or no rate is known', () => {
    const { tokens, uncounted, confidence } = total(model('gpt-4o'), [parseAudioDescription('9s')]);
    expect({ total: tokens.total, uncounted, confidence }).toEqual({
      ...{ total: null, uncounted: 1, confidence: 'unknown' },
    });
    const why = (id: string, engine: EngineName, input: EstimateInput) =>
      total(model(id, engine), [input]).items[0]?.detail;
    expect(why('gpt-4o', 'api', parseVideoDescription('9s@9x9'))).toBe('gpt-4o takes no video');
    expect(why('gpt-audio', 'api', image)).toBe('gpt-audio takes no images');
    expect(why('llava-1.5-7b', 'llama.cpp', parseAudioDescription('9s'))).toMatch(/takes no audio/);
  });
});

describe('what is known of a count', () => {
  it('is a range where the vendor’s pages differ', () => {
    expect(total(model('gemini-2.5-pro'), [parseImageDescription('960x540*2')])).toMatchObject({
      ...{ tokens: { total: 3096 }, range: { low: 1032, high: 3096 }, confidence: 'range' },
    });
  });

  it('is what the profile says, where that is less', () => {
    const nova = model('amazon.nova-lite-v1');
    const known = total(nova, [parseImageDescription('512x512')]);
    expect(known).toMatchObject({ tokens: { total: 1314 }, confidence: 'range' });
    const unknown = total(nova, [image]);
    expect(unknown).toMatchObject({ tokens: { total: null }, confidence: 'unknown', uncounted: 1 });
  });

  it('is that of the rule of the day', () => {
    const on = (id: string, day?: string) => total(model(id, 'api', day), [image]).tokens.total;
    expect(on('gpt-4.1-mini')).toBe(3305);
    expect(on('gpt-4.1-mini', '2026-06-30')).toBe(2443);
    expect(on('gpt-4.1-mini', '2026-07-01')).toBe(3305);
    expect(on('claude-sonnet-4-5', '2025-12-24')).toBe(1600);
    expect(on('claude-sonnet-4-5')).toBe(1560);
  });
});

describe('settings of one vendor', () => {
  it('count where they are obeyed, and are called idle where they are not', () => {
    const settings = { ...DEFAULT_TOKEN_SETTINGS, mediaResolution: 'high' as const };
    const idle = (id: string, engine: EngineName = 'api', asked: TokenSettings = settings) => {
      const counted = model(id, engine);
      return warningsOf(counted, tallyOf(counted, []), asked);
    };
    expect(idle('gemini-2.5-pro')).toEqual([]);
    expect(idle('qwen3-vl-plus')).toEqual([]);
    expect(idle('gpt-5.2')).toEqual([expect.stringContaining('--media-resolution')]);
    expect(idle('qwen2.5-vl-7b', 'llama.cpp')).toHaveLength(1);
    const detail = { ...DEFAULT_TOKEN_SETTINGS, detail: 'low' as const };
    expect(idle('gpt-5.2', 'api', detail)).toEqual([]);
    expect(idle('claude-opus-5', 'api', detail)).toHaveLength(1);
  });

  it('formats are those the vendor takes', () => {
    const photo = (format: string) =>
      imageInput(`p.${format}`, { width: 64, height: 64, turned: false, format });
    expect(total(model('gemini-2.5-pro'), [photo('heic')]).tokens.total).toBe(258);
    expect(total(model('gpt-5.2'), [photo('heic')]).tokens.total).toBeNull();
    expect(total(model('gemini-2.5-pro'), [photo('gif')]).tokens.total).toBeNull();
  });
});

describe('descriptions', () => {
  it.each([
    ['30s', 30, 1],
    ['29.98s*20', 29.98, 20],
    [' 5 * 2 ', 5, 2],
  ])('the sound `%s`', (text, seconds, count) => {
    expect(parseAudioDescription(text)).toMatchObject({ modality: 'audio', seconds, count });
  });

  it.each([
    ['10s@1280x720', 10, 1280, 720, null, 1],
    ['10s@1280x720@30', 10, 1280, 720, 30, 1],
    ['2.5@640x480@29.97*4', 2.5, 640, 480, 29.97, 4],
  ])('the film `%s`', (text, seconds, width, height, fps, count) => {
    expect(parseVideoDescription(text)).toMatchObject({ seconds, width, height, fps, count });
  });

  it.each(['', 's', '0s', '-3s', '1e3', '5s*0', '5m'])('refuses the sound `%s`', (text) => {
    expect(() => parseAudioDescription(text)).toThrow(
      expect.objectContaining({ code: 'usage.invalid' }),
    );
  });

  it.each(['10s', '10s@big', '10s@1280x720@', '0s@9x9', '10s@9x9*0'])(
    'refuses the film `%s`',
    (text) => {
      expect(() => parseVideoDescription(text)).toThrow(
        expect.objectContaining({ code: 'usage.invalid' }),
      );
    },
  );
});
