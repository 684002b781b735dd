import { describe, expect, it } from 'vitest';
import type { EngineName } from '../../../src/contracts/basis.ts';
import { costOf, priceAgeDays } from '../../../src/estimate/cost.ts';
import type { CountedModel } from '../../../src/estimate/count.ts';
import { countInputs } from '../../../src/estimate/count.ts';
import {
  imageInput,
  parseImageDescription,
  parseTextTokens,
  textInput,
} from '../../../src/estimate/describe-input.ts';
import { approximateText } from '../../../src/estimate/text.ts';
import { tallyOf, totalOf } from '../../../src/estimate/totals.ts';
import { priceWarnings } from '../../../src/estimate/price-warnings.ts';
import { warningsOf } from '../../../src/estimate/warnings.ts';
import { describeProfile } from '../../../src/profiles/describe.ts';
import { findModel } from '../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../src/profiles/load.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../../src/tokens/settings.ts';

const { profiles } = await loadProfiles({ user: null, flag: null });
const model = (id: string, engine: EngineName): CountedModel => ({
  id,
  engine,
  description: describeProfile(findModel(profiles, id)),
  vocabulary: null,
  chatTemplate: null,
});
const settings = DEFAULT_TOKEN_SETTINGS;
const options = { price: null, outputTokens: 0, items: true };
const photo = (format: string, turned = false) =>
  imageInput(`photo.${format}`, { width: 1080, height: 1920, turned, format });

describe('totals', () => {
  it('tells how many inputs a model did not take', () => {
    const llava = model('llava-1.5-7b', 'llama.cpp');
    const inputs = [photo('tiff'), photo('png')];
    expect(totalOf(llava, countInputs(inputs, llava, settings), options)).toMatchObject({
      tokens: { total: 576 },
      uncounted: 1,
    });
  });

  it('splits image and wrapper tokens, and adds up', () => {
    const qwen = model('qwen2.5-vl-7b', 'llama.cpp');
    const inputs = [parseImageDescription('1920x1080*3'), parseTextTokens(40)];
    const total = totalOf(qwen, countInputs(inputs, qwen, settings), options);
    expect(total).toMatchObject({
      tokens: { total: 3 * 2693 + 40, text: 40, image: 3 * 2691, audio: 0, video: 0, wrapper: 6 },
      range: { low: 3 * 2693 + 40, high: 3 * 2693 + 40 },
      uncounted: 0,
      confidence: 'formula',
      basis: 'profile',
      rule: 'smart-resize',
      costUsd: null,
    });
    expect(total.items.map(({ tokens, count }) => [tokens, count])).toEqual([
      [2693, 3],
      [40, 1],
    ]);
  });

  it('is a range where a text has to be approximated', () => {
    const gpt = model('gpt-4o', 'api');
    const inputs = [textInput('--text', 'a'.repeat(400)), parseImageDescription('1024x1024')];
    const { tokens, range, confidence } = totalOf(gpt, countInputs(inputs, gpt, settings), options);
    expect(tokens).toMatchObject({ text: 100, image: 765, total: 865 });
    expect(range).toEqual({ low: 765 + 70, high: 765 + 170 });
    expect(confidence).toBe('range');
  });

  it('leaves out what the engine does not take, and says so', () => {
    const llava = model('llava-1.5-7b', 'llama.cpp');
    const counted = countInputs([photo('tiff'), photo('png'), photo('jp2')], llava, settings);
    const total = totalOf(llava, counted, options);
    expect(total.tokens.total).toBe(576);
    expect(total.items.map(({ tokens }) => tokens)).toEqual([null, 576, null]);
    expect(warningsOf(llava, tallyOf(llava, counted), settings)).toEqual([
      expect.stringContaining('TIFF'),
      expect.stringMatching(/drops JPEG 2000.*convert/),
    ]);
  });

  it('knows nothing rather than zero when no input is taken', () => {
    const llava = model('llava-1.5-7b', 'llama.cpp');
    const total = totalOf(llava, countInputs([photo('tiff')], llava, settings), options);
    expect(total).toMatchObject({ confidence: 'unknown', tokens: { total: null, image: null } });
  });

  it('lists the dearest inputs first', () => {
    const gpt = model('gpt-4o', 'api');
    const inputs = ['336x336*9', '1920x1080', '640x480'].map(parseImageDescription);
    const { costliest } = totalOf(gpt, countInputs(inputs, gpt, settings), options);
    expect(costliest.map(({ input }) => input)).toEqual(['336x336', '1920x1080', '640x480']);
  });
});

describe('a picture that EXIF turns', () => {
  // 1080x1920 upright, stored as 1920x1080: llama.cpp's stb_image does not turn it.
  it('is counted as stored by llama.cpp and upright elsewhere', () => {
    const count = (engine: EngineName) => {
      const internvl = model('internvl2-26b', engine);
      return countInputs([photo('jpg', true)], internvl, settings)[0]?.item.detail;
    };
    expect(count('llama.cpp')).toMatch(/^4x3 tiles/);
    expect(count('vllm')).toMatch(/^2x4 tiles/);
  });

  it('is warned about', () => {
    const internvl = model('internvl2-26b', 'llama.cpp');
    const counted = countInputs([photo('jpg', true)], internvl, settings);
    expect(warningsOf(internvl, tallyOf(internvl, counted), settings)).toEqual([
      expect.stringMatching(/rotation noted in the file/),
    ]);
  });
});

describe('settings', () => {
  it('change only what they can, and say when they change nothing', () => {
    const limited = { ...settings, imageMaxTokens: 256 };
    const qwen = model('qwen2.5-vl-7b', 'llama.cpp');
    const internvl = model('internvl2-26b', 'llama.cpp');
    const inputs = [parseImageDescription('1920x1080')];
    expect(countInputs(inputs, qwen, limited)[0]?.item.tokens).toBeLessThanOrEqual(258);
    expect(countInputs(inputs, internvl, limited)[0]?.item.tokens).toBe(3330);
    expect(warningsOf(qwen, tallyOf(qwen, []), limited)).toEqual([]);
    expect(warningsOf(internvl, tallyOf(internvl, []), limited)).toEqual([
      expect.stringMatching(/change nothing/),
    ]);
  });

  it('a size that the processor refuses is an answer about that input', () => {
    const qwen = model('qwen2.5-vl-7b', 'vllm');
    const inputs = [parseImageDescription('4000x10'), parseImageDescription('640x480')];
    const counted = countInputs(inputs, qwen, settings);
    expect(counted.map(({ item }) => item.tokens)).toEqual([null, 393]);
    expect(counted[0]?.refused).toMatch(/aspect ratio 400/);
  });
});

describe('costs', () => {
  const price = { model: 'gpt-4o', input: 2.5, output: 10, asOf: '2026-05-01', source: 'x' };

  it('are exact to a millionth of a dollar', () => {
    // 1105 x 2.5 = 2762.5 millionths, half rounded up; 100 x 10 = 1000.
    const bill = (input: number, output: number, audio = 0) => ({ input, audio, output });
    expect(costOf(price, bill(1105, 100))).toEqual({
      input: 0.002763,
      output: 0.001,
      total: 0.003763,
    });
    // Dollars as a double would be off by thousands of millionths here.
    expect(costOf({ ...price, input: 0.000001 }, bill(9_007_199_254_740_991, 0)).input).toBe(
      9007.199255,
    );
    expect(costOf(price, bill(0, 0))).toEqual({ input: 0, output: 0, total: 0 });
    // 600 of 1000 tokens are sound: 400 x 2.5 + 600 x 40.
    expect(costOf({ ...price, audioInput: 40 }, bill(1000, 0, 600)).input).toBe(0.025);
  });

  it('warn when the price is old or missing', () => {
    const gpt = model('gpt-4o', 'api');
    const asked = { now: new Date(), asOf: null, inputTokens: 1000 };
    const on = (day: string) =>
      priceWarnings(gpt, price, { ...asked, now: new Date(`${day}T12:00:00Z`) });
    expect(on('2026-07-30')).toEqual([]);
    expect(on('2026-07-31')).toEqual([expect.stringContaining('91 days ago')]);
    expect(priceWarnings(gpt, null, asked)).toEqual([expect.stringContaining('no price')]);
    expect(priceWarnings(model('llava-1.5-7b', 'llama.cpp'), null, asked)).toEqual([]);
    expect(priceAgeDays(price, new Date('2026-04-01T00:00:00Z'))).toBe(0);
  });

  it('warn of a dearer long request, and of a price that is not of the day asked about', () => {
    const gpt = model('gpt-5.4', 'api');
    const long = { ...price, longContext: { above: 272_000, input: 5, output: 22.5 } };
    const warned = (inputTokens: number, asOf: string | null = null) =>
      priceWarnings(gpt, long, { now: new Date('2026-05-02T00:00:00Z'), asOf, inputTokens });
    expect(warned(272_000)).toEqual([]);
    expect(warned(272_001)).toEqual([expect.stringContaining('$5 in and $22.5 out')]);
    expect(warned(1, '2026-05-01')).toEqual([]);
    expect(warned(1, '2025-01-01')).toEqual([expect.stringContaining('not of 2025-01-01')]);
  });
});

describe('descriptions', () => {
  it.each([
    ['1920x1080', 1920, 1080, 1],
    ['1920x1080*20', 1920, 1080, 20],
    [' 640 x 480 * 3 ', 640, 480, 3],
    ['640×480', 640, 480, 1],
  ])('%s', (text, width, height, count) => {
    expect(parseImageDescription(text)).toMatchObject({ width, height, count, format: null });
  });

  it.each(['', 'huge', '640', '640x', 'x480', '640x480*0', '640x480*-1', '64.5x48', '640x480*2*2'])(
    'refuses the image `%s`',
    (text) => {
      expect(() => parseImageDescription(text)).toThrow(
        expect.objectContaining({ code: 'usage.invalid' }),
      );
    },
  );

  it.each(['0x10', '10x0', '9999999x1'])('refuses the size `%s`', (text) => {
    expect(() => parseImageDescription(text)).toThrow(/not an image size/);
  });

  it.each(['', '-1', '1.5', 'many'])('refuses `%s` text tokens', (text) => {
    expect(() => parseTextTokens(text)).toThrow(expect.objectContaining({ code: 'usage.invalid' }));
  });
});

describe('approximateText', () => {
  it('counts ideographs one by one and other signs by four', () => {
    expect(approximateText('你好世界', 'qwen3-vl-8b').tokens).toBe(4);
    expect(approximateText('Hello world!', 'qwen3-vl-8b').tokens).toBe(3);
    expect(approximateText('', 'qwen3-vl-8b').tokens).toBe(0);
    expect(approximateText('👍👍👍👍', 'qwen3-vl-8b').tokens).toBe(1);
  });

  it('counts by what a vendor says of its own vocabulary', () => {
    const text = 'x'.repeat(700);
    expect(approximateText(text, 'claude-opus-4-6').tokens).toBe(200);
    expect(approximateText(text, 'claude-opus-4-7').tokens).toBe(260);
    expect(approximateText(text, 'gemini-2.5-pro').tokens).toBe(175);
  });

  it('holds the real count of a known text between its bounds', () => {
    // 252 characters; 57 tokens in o200k_base and 58 in cl100k_base.
    const text =
      'The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs. ' +
      'How vexingly quick daft zebras jump! Sphinx of black quartz, judge my vow. ' +
      'The five boxing wizards jump quickly, and then everybody goes back home to sleep.';
    const { low, high } = approximateText(text, 'qwen3-vl-8b');
    expect(low).toBeLessThanOrEqual(57);
    expect(high).toBeGreaterThanOrEqual(58);
  });
});
