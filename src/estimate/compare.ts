import type { ModelEstimate } from '../contracts/estimate.ts';
import type { ComparisonRow } from '../contracts/estimate-checks.ts';

/**
 * Models side by side: those with a bill by it, cheapest first, then those without one by their tokens, and
 * last those whose count is not known or leaves inputs out, which would make them look cheap. Ratios are to
 * the least of what is known.
 */
export function compareModels(models: readonly ModelEstimate[]): ComparisonRow[] {
  const rows = models.map(({ id, engine, tokens, costUsd, uncounted }) => ({
    ...{ id, engine, tokens: tokens.total, usd: costUsd?.total ?? null, uncounted },
  }));
  const whole = rows.filter(({ uncounted }) => uncounted === 0);
  const least = (values: readonly (number | null)[]) =>
    Math.min(...values.flatMap((value) => (value === null ? [] : [value])));
  const fewest = least(whole.map(({ tokens }) => tokens));
  const lowest = least(whole.map(({ usd }) => usd));
  return rows
    .map((row) => ({
      ...row,
      tokensRatio: row.uncounted > 0 ? null : ratio(row.tokens, fewest),
      usdRatio: row.uncounted > 0 ? null : ratio(row.usd, lowest),
    }))
    .sort(
      (a, b) =>
        Number(a.uncounted > 0) - Number(b.uncounted > 0) ||
        order(a.usd, b.usd) ||
        order(a.tokens, b.tokens),
    );
}

/** To two decimals; nothing is no multiple of nothing. */
function ratio(value: number | null, least: number): number | null {
  if (value === null || !Number.isFinite(least)) return null;
  if (least === 0) return value === 0 ? 1 : null;
  return Math.round((value / least) * 100) / 100;
}

/** Unknown last. */
function order(a: number | null, b: number | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return a - b;
}
