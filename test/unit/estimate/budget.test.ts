import { describe, expect, it } from 'vitest';
import type { Estimate, ModelEstimate } from '../../../src/contracts/estimate.ts';
import { ESTIMATE_SCHEMA } from '../../../src/contracts/estimate.ts';
import { MmdeployError } from '../../../src/errors.ts';
import { compareToBaseline, parseBaseline } from '../../../src/estimate/baseline.ts';
import { checkBudgets, overBudget } from '../../../src/estimate/budget.ts';
import { compareModels } from '../../../src/estimate/compare.ts';

type Figures = { tokens: number | null; usd: number | null; uncounted?: number };

const model = (id: string, { tokens, usd, uncounted = 0 }: Figures): ModelEstimate => ({
  ...{ id, engine: 'api', uncounted, requests: 1, range: null, confidence: 'formula' },
  tokens: { total: tokens, text: 0, image: tokens, audio: 0, video: 0, wrapper: 0 },
  ...{ basis: 'profile', rule: 'fixed', ruleSource: null },
  costUsd: usd === null ? null : { input: usd, output: 0, total: usd },
  ...{ priceAsOf: null, priceAgeDays: null, price: null, advice: [], costliest: [], items: [] },
});

const report = (...models: ModelEstimate[]): Estimate => ({
  schema: ESTIMATE_SCHEMA,
  inputs: {
    ...{ files: 0, images: 1, audios: 0, audioSeconds: 0, videos: 0, videoSeconds: 0 },
    ...{ documents: 0, textBytes: 0, unreadable: [], unreadableCount: 0 },
  },
  ...{ models, dedupe: null, warnings: [] },
});

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof MmdeployError) return `${error.code} ${error.exitCode}`;
  }
  return 'nothing thrown';
}

describe('budgets', () => {
  const models = [model('a', { tokens: 100, usd: 0.3 }), model('b', { tokens: 200, usd: null })];
  const usd = { flag: '--max-usd', all: null, byModel: {} } as const;

  it('hold at the limit itself, and in whole millionths', () => {
    const [at] = checkBudgets([model('a', { tokens: 1, usd: 0.1 + 0.2 })], [{ ...usd, all: 0.3 }]);
    expect(at).toMatchObject({ exceeded: false });
    const [above] = checkBudgets(
      [model('a', { tokens: 1, usd: 0.300001 })],
      [{ ...usd, all: 0.3 }],
    );
    expect(above).toMatchObject({ exceeded: true });
  });

  it('of a model win over the general one; an unknown bill is not within one', () => {
    const checks = checkBudgets(models, [
      { flag: '--max-tokens', all: 150, byModel: { b: 250 } },
      { ...usd, all: 1 },
    ]);
    expect(checks.map(({ id, limit, exceeded }) => [id, limit, exceeded])).toEqual([
      ['a', 150, false],
      ['b', 250, false],
      ['a', 1, false],
      ['b', 1, true],
    ]);
    expect(checkBudgets(models, [{ ...usd, byModel: { a: 1 } }])).toHaveLength(1);
  });

  it('are exit 4 with the figures, and exit 2 for a model that is not there', () => {
    const budgets = checkBudgets(models, [{ flag: '--max-tokens', all: 99, byModel: {} }]);
    const error = overBudget({ ...report(...models), budgets });
    expect(error).toMatchObject({ code: 'budget.exceeded', exitCode: 4 });
    expect(error?.message).toBe('a on api takes 100 tokens, and --max-tokens allows 99');
    expect(error?.details).toHaveLength(1);
    expect(overBudget(report(...models))).toBeNull();
    expect(codeOf(() => checkBudgets(models, [{ ...usd, byModel: { c: 1 } }]))).toBe(
      'usage.invalid 2',
    );
  });
});

describe('a baseline', () => {
  const before = report(
    model('a', { tokens: 1000, usd: 1 }),
    model('b', { tokens: 500, usd: null }),
  );
  const compared = (maxGrowth: number | null, ...now: ModelEstimate[]) =>
    compareToBaseline(report(...now), parseBaseline('b.json', JSON.stringify(before)), maxGrowth);

  it('allows growth up to the limit, for each model and in total', () => {
    const grown = [model('a', { tokens: 1100, usd: 1.1 }), model('b', { tokens: 500, usd: null })];
    const { rows } = compared(10, ...grown);
    expect(
      rows.map(({ id, tokens, usd }) => [id, tokens.growthPercent, usd?.growthPercent]),
    ).toEqual([
      ['a', 10, 10],
      ['b', 0, undefined],
      ['total', 6.67, 10],
    ]);
    expect(rows.some(({ tokens, usd }) => tokens.exceeded || usd?.exceeded === true)).toBe(false);
    const over = { ...report(...grown), baseline: compared(9.99, ...grown) };
    expect(overBudget(over)?.message).toBe('a on api: 1,000 -> 1,100 tokens (+10 %)');
    expect(overBudget({ ...over, baseline: compared(null, ...grown) })).toBeNull();
  });

  it('takes what became unknown for growth', () => {
    const { rows } = compared(
      50,
      model('a', { tokens: null, usd: null }),
      model('b', { tokens: 1, usd: 0 }),
    );
    expect(rows[0]).toMatchObject({
      tokens: { growthPercent: null, exceeded: true },
      usd: { exceeded: true },
    });
    // A bill that was not there before is one that nobody agreed to.
    expect(rows[1]).toMatchObject({ tokens: { exceeded: false }, usd: { exceeded: true } });
  });

  it('of other models is exit 2, and so is a file that is no report', () => {
    expect(codeOf(() => compared(10, model('a', { tokens: 1, usd: 1 })))).toBe('usage.invalid 2');
    for (const text of [
      '',
      '[]',
      '{"schema":"mmdeploy.plan/v1"}',
      '{"schema":"mmdeploy.estimate/v1"}',
    ]) {
      expect(codeOf(() => parseBaseline('b.json', text))).toBe('input.invalid 2');
    }
  });
});

describe('side by side', () => {
  it('is cheapest first; unknown and partial counts are never the cheapest', () => {
    const rows = compareModels([
      model('unknown', { tokens: null, usd: null }),
      model('part', { tokens: 1, usd: 0.01, uncounted: 3 }),
      model('dear', { tokens: 100, usd: 3 }),
      model('own', { tokens: 50, usd: null }),
      model('cheap', { tokens: 200, usd: 1.5 }),
    ]);
    expect(rows.map(({ id, tokensRatio, usdRatio }) => [id, tokensRatio, usdRatio])).toEqual([
      ['cheap', 4, 1],
      ['dear', 2, 2],
      ['own', 1, null],
      ['unknown', null, null],
      ['part', null, null],
    ]);
  });
});
