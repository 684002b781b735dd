import { describe, expect, it } from 'vitest';
import type { Estimate, EstimateItem, ModelEstimate } from '../../../src/contracts/estimate.ts';
import { estimateCsv } from '../../../src/report/estimate-csv.ts';
import { estimateMarkdown } from '../../../src/report/estimate-markdown.ts';
import { estimateText } from '../../../src/report/estimate.ts';
import { billText, usd } from '../../../src/report/money.ts';
import { PLAIN } from '../../../src/report/palette.ts';

const item = (input: string): EstimateItem => ({
  ...{ input, modality: 'image', width: 640, height: 480, seconds: null, count: 2 },
  ...{ tokens: 425, rule: 'openai-tile', detail: '85 + 2x1 tiles of 170' },
});

const model: ModelEstimate = {
  ...{ id: 'gpt-4o', engine: 'api', uncounted: 0, requests: 1, confidence: 'formula' },
  tokens: { total: 850, text: 0, image: 850, audio: 0, video: 0, wrapper: 0 },
  range: { low: 850, high: 850 },
  ...{ basis: 'profile', rule: 'openai-tile', ruleSource: null },
  costUsd: { input: 0.002125, output: 0, total: 0.002125 },
  ...{ priceAsOf: '2026-09-23', priceAgeDays: 60 },
  price: {
    ...{ input: 2.5, output: 10, cachedInput: null, imageInput: null, audioInput: null },
    ...{ videoInput: null, batchDiscount: null, longContext: null, basis: 'list', provider: null },
    ...{ batch: false, cached: null, formula: null, source: 'x' },
  },
  advice: [{ kind: 'detail-low', text: 'low', inputs: 2, savedTokens: 680, savedUsd: 0.0017 }],
  costliest: [item('a.png'), item('b.png')],
  items: [],
};

const document = (...models: ModelEstimate[]): Estimate => ({
  schema: 'mmdeploy.estimate/v1',
  inputs: {
    ...{ files: 2, images: 2, audios: 0, audioSeconds: 0, videos: 0, videoSeconds: 0 },
    ...{ documents: 0, textBytes: 0, unreadable: [], unreadableCount: 0 },
  },
  ...{ models, dedupe: null, warnings: [] },
});

/** A reader of RFC 4180 that knows nothing of ours. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const match of text.matchAll(/("(?:[^"]|"")*"|[^,\r\n]*)(,|\r\n)/g)) {
    const [, cell = '', end] = match;
    rows.at(-1)?.push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
    if (end === '\r\n') rows.push([]);
  }
  return rows.slice(0, -1);
}

describe('money', () => {
  it.each([
    [0, '$0.00'],
    [0.000001, '$0.000001'],
    [0.27, '$0.27'],
    [0.554, '$0.554'],
    [0.5, '$0.50'],
    [1.38125, '$1.38'],
    [12345.678, '$12,345.68'],
  ])('%d is %s', (value, text) => {
    expect(usd(value)).toBe(text);
  });

  it('is never shown as nothing where something is charged', () => {
    const nothing = { input: 0, output: 0, total: 0 };
    expect(billText({ ...model, costUsd: nothing })).toBe('less than $0.000001');
    const free = { ...model, tokens: { ...model.tokens, total: 0 }, costUsd: nothing };
    expect(billText(free)).toBe('$0.00');
    expect(billText({ ...model, costUsd: null })).toBe('-');
  });
});

describe('CSV', () => {
  it('has a row for each model', () => {
    const rows = parseCsv(estimateCsv(document(model), false));
    const row = Object.fromEntries(rows[0]?.map((name, at) => [name, rows[1]?.[at]]) ?? []);
    expect(rows).toHaveLength(2);
    expect(row).toMatchObject({
      ...{ model: 'gpt-4o', engine: 'api', tokens_total: '850', usd_total: '0.002125' },
      price_as_of: '2026-09-23',
    });
  });

  it('keeps any name of a file, and lets no spreadsheet run one', () => {
    const names = [
      'a,b.png',
      'say "hi".png',
      'two\r\nlines',
      '=HYPERLINK("x")',
      '+1',
      '-1',
      '@x',
      '\tx',
    ];
    const rows = parseCsv(estimateCsv(document({ ...model, items: names.map(item) }), true));
    const at = rows[0]?.indexOf('input') ?? -1;
    expect(rows.slice(1).map((row) => row[at])).toEqual([
      ...['a,b.png', 'say "hi".png', 'two\r\nlines'],
      ...[`'=HYPERLINK("x")`, "'+1", "'-1", "'@x", "'\tx"],
    ]);
    expect(new Set(rows.map((row) => row.length))).toEqual(new Set([12]));
    expect(rows[1]?.slice(8, 10)).toEqual(['425', '850']);
  });

  it('leaves a cell empty where a figure is not known', () => {
    const unknown = {
      ...model,
      tokens: { ...model.tokens, total: null },
      costUsd: null,
      range: null,
    };
    expect(parseCsv(estimateCsv(document(unknown), false))[1]?.slice(2, 5)).toEqual(['', '', '']);
  });
});

describe('Markdown', () => {
  it('has totals, growth, limits, advice and the costliest inputs', () => {
    const growth = { before: 800, after: 850, growthPercent: 6.25, exceeded: true };
    const text = estimateMarkdown({
      ...document(model),
      baseline: {
        ...{ file: 'base.json', maxGrowthPercent: 5 },
        rows: [{ id: 'gpt-4o', engine: 'api', tokens: growth, usd: null }],
      },
      budgets: [
        {
          flag: '--max-usd',
          id: 'gpt-4o',
          engine: 'api',
          limit: 0.001,
          actual: 0.002125,
          exceeded: true,
        },
      ],
    });
    expect(text).toContain('| gpt-4o | api | 850 | 0 | 850 | 0 | 0 | 0 | $0.002125 |');
    expect(text).toContain('| gpt-4o | api | 800 | 850 | +6.25 % over | - | - |  |');
    expect(text).toContain(
      '**Over budget:** gpt-4o on api takes $0.002125, `--max-usd` allows $0.001.',
    );
    expect(text).toContain('- gpt-4o on api: low; saves 680 tokens, $0.0017 over 2 inputs');
    expect(text).toContain('<summary>Costliest inputs of gpt-4o on api</summary>');
    expect(text).toContain('gpt-4o of 2026-09-23 (60 days ago)');
  });

  it('lets no name of a file break the page', () => {
    const evil = 'x|y\n<script>`*_[z](javascript:1)@all.png';
    const text = estimateMarkdown(document({ ...model, costliest: [item(evil), item('b')] }));
    expect(text).toContain('x\\|y &lt;script>\\`\\*\\_\\[z\\](javascript:1)\\@all.png');
    const rows = text.split('\n').filter((line) => line.startsWith('| x'));
    expect(rows).toHaveLength(1);
  });
});

describe('a narrow terminal', () => {
  it.each([60, 80, 120])('of %d columns breaks no line of the tables', (columns) => {
    const view = { palette: PLAIN, explain: false, quiet: false, items: false, boxes: columns };
    const long = { ...model, id: 'a-model-with-a-long-name', engine: 'llama.cpp' as const };
    const big = { ...long.tokens, total: 1_234_567_890, image: 1_234_567_890, audio: 5, video: 5 };
    const growth = {
      before: 1_234_567_890,
      after: 1_334_567_890,
      growthPercent: 8.1,
      exceeded: true,
    };
    const row = { id: long.id, engine: 'llama.cpp', tokens: growth, usd: growth };
    const wordy =
      'scale pictures to at most 1536 px: 1920x1080 to 1536x864, 3,330 -> 2,306 tokens each';
    const advice = model.advice.map((one) => ({ ...one, text: wordy }));
    const text = estimateText(
      {
        ...document(model, { ...long, tokens: big, advice }),
        baseline: { file: 'base.json', maxGrowthPercent: 5, rows: [row] },
        comparison: [
          {
            id: long.id,
            engine: 'llama.cpp',
            tokens: 1_234_567_890,
            usd: 1234,
            uncounted: 0,
            tokensRatio: 1,
            usdRatio: 1,
          },
        ],
      },
      view,
    );
    expect(text.split('\n').filter((line) => line.length > columns)).toEqual([]);
  });
});
