import type { Estimate } from '../contracts/estimate.ts';
import { ESTIMATE_SCHEMA } from '../contracts/estimate.ts';
import type { BaselineComparison, BaselineRow, Growth } from '../contracts/estimate-checks.ts';
import { MmdeployError } from '../errors.ts';

/** What is read of an earlier report; further fields may come and go. */
export type Baseline = {
  readonly file: string;
  readonly models: readonly {
    readonly id: string;
    readonly engine: string;
    readonly tokens: number | null;
    readonly usd: number | null;
  }[];
};

/** A report of an earlier run. Throws `input.invalid` where the text is not an estimate of this schema. */
export function parseBaseline(file: string, text: string): Baseline {
  const document = parsed(file, text);
  if (document['schema'] !== ESTIMATE_SCHEMA) {
    const found = typeof document['schema'] === 'string' ? `\`${document['schema']}\`` : 'none';
    throw noBaseline(file, `its schema is ${found}, not \`${ESTIMATE_SCHEMA}\``);
  }
  const models: unknown = document['models'];
  if (!Array.isArray(models)) throw noBaseline(file, 'it has no `models`');
  return { file, models: models.map((model: unknown) => baselineModel(file, model)) };
}

function parsed(file: string, text: string): Record<string, unknown> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw noBaseline(file, error instanceof Error ? error.message : 'it is no JSON');
  }
  if (isRecord(document)) return document;
  throw noBaseline(file, 'it is no JSON object');
}

function baselineModel(file: string, model: unknown): Baseline['models'][number] {
  const { id, engine, tokens, costUsd } = isRecord(model) ? model : {};
  if (typeof id !== 'string' || typeof engine !== 'string' || !isRecord(tokens)) {
    throw noBaseline(file, 'a model of it has no id, engine or tokens');
  }
  const number = (value: unknown) => (typeof value === 'number' ? value : null);
  const usd = isRecord(costUsd) ? number(costUsd['total']) : null;
  return { id, engine, tokens: number(tokens['total']), usd };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function noBaseline(file: string, why: string): MmdeployError {
  return new MmdeployError(
    'input.invalid',
    `\`--baseline ${file}\` is not an earlier report: ${why}`,
    {
      hints: [`make one with the same models: \`mmdeploy estimate … -o json > ${file}\``],
    },
  );
}

/**
 * Tokens and bills of each model and of all of them, before and now; `maxGrowthPercent` null only compares.
 * Throws `usage.invalid` where the two reports are not of the same models and engines.
 */
export function compareToBaseline(
  estimate: Estimate,
  baseline: Baseline,
  maxGrowthPercent: number | null,
): BaselineComparison {
  const now = estimate.models.map(({ id, engine, tokens, costUsd }) => ({
    ...{ id, engine, tokens: tokens.total, usd: costUsd?.total ?? null },
  }));
  refuseOthers(baseline, now);
  const growth = growthWithin(maxGrowthPercent);
  const row = (id: string, engine: string, before: Figures, after: Figures): BaselineRow => ({
    ...{ id, engine, tokens: growth(before.tokens, after.tokens) },
    usd: before.usd === null && after.usd === null ? null : growth(before.usd, after.usd),
  });
  const rows = now.map((after) => {
    const before = baseline.models.find((model) => sameModel(model, after)) ?? after;
    return row(after.id, after.engine, before, after);
  });
  const all = row('total', 'total', totals(baseline.models), totals(now));
  return { file: baseline.file, maxGrowthPercent, rows: rows.length > 1 ? [...rows, all] : rows };
}

type Figures = { readonly tokens: number | null; readonly usd: number | null };
type Named = { readonly id: string; readonly engine: string };

const sameModel = (one: Named, other: Named) => one.id === other.id && one.engine === other.engine;

/** Models without a bill in either report are left out of the sum of bills, others make it unknown. */
function totals(models: readonly Figures[]): Figures {
  const bills = models.flatMap(({ usd }) => (usd === null ? [] : [usd]));
  return {
    tokens: models.some(({ tokens }) => tokens === null)
      ? null
      : models.reduce((sum, { tokens }) => sum + (tokens ?? 0), 0),
    usd: bills.length === 0 ? null : bills.reduce((sum, usd) => sum + micro(usd), 0) / MICRO,
  };
}

const MICRO = 1_000_000;
const micro = (usd: number) => Math.round(usd * MICRO);

/** Compared in whole millionths; what was nothing may not become something. */
function growthWithin(maxPercent: number | null) {
  return (before: number | null, after: number | null): Growth => {
    const known = before !== null && after !== null;
    const grew = known && before > 0 ? ((after - before) / before) * 100 : null;
    const growthPercent = known && before === 0 && after === 0 ? 0 : grew;
    const tooMuch = known
      ? BigInt(micro(after)) * 10_000n >
        BigInt(micro(before)) * (10_000n + BigInt(Math.round((maxPercent ?? 0) * 100)))
      : before !== after;
    return {
      ...{ before, after },
      growthPercent: growthPercent === null ? null : Math.round(growthPercent * 100) / 100,
      exceeded: maxPercent !== null && tooMuch,
    };
  };
}

function refuseOthers(baseline: Baseline, now: readonly Named[]): void {
  const missing = now.filter((model) => !baseline.models.some((each) => sameModel(each, model)));
  const gone = baseline.models.filter((model) => !now.some((each) => sameModel(each, model)));
  if (missing.length + gone.length === 0) return;
  const names = (models: readonly Named[]) =>
    models.map(({ id, engine }) => `${id} on ${engine}`).join(', ');
  throw new MmdeployError('usage.invalid', `\`--baseline ${baseline.file}\` is of other models`, {
    details: [
      ...(missing.length > 0 ? [`not in it: ${names(missing)}`] : []),
      ...(gone.length > 0 ? [`only in it: ${names(gone)}`] : []),
    ],
    hints: [
      `estimate the same ones: \`mmdeploy estimate … --model ${baseline.models.map(({ id }) => id).join(',')}\``,
      `or make a new baseline: \`mmdeploy estimate … -o json > ${baseline.file}\``,
    ],
  });
}
