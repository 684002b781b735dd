import type { Estimate, ModelEstimate } from '../contracts/estimate.ts';
import type { BudgetCheck } from '../contracts/estimate-checks.ts';
import { MmdeployError } from '../errors.ts';

/** A limit for every model, or for those that are named. */
export type Budget = {
  readonly flag: BudgetCheck['flag'];
  readonly all: number | null;
  readonly byModel: Readonly<Record<string, number>>;
};

const MICRO = 1_000_000;

/**
 * Holds each model's figures against its limits; a named limit wins over the general one. Figures that are
 * not known are not within a limit. Throws `usage.invalid` for a limit of a model that is not in the report.
 */
export function checkBudgets(
  models: readonly ModelEstimate[],
  budgets: readonly Budget[],
): BudgetCheck[] {
  for (const { flag, byModel } of budgets) refuseStrangers(flag, byModel, models);
  return budgets.flatMap(({ flag, all, byModel }) =>
    models.flatMap(({ id, engine, tokens, costUsd }) => {
      const limit = byModel[id] ?? all;
      if (limit === null) return [];
      const actual = flag === '--max-tokens' ? tokens.total : (costUsd?.total ?? null);
      return [
        { flag, id, engine, limit, actual, exceeded: actual === null || above(actual, limit) },
      ];
    }),
  );
}

/** In whole millionths, so that 0.1 + 0.2 dollars are within 0.3. */
function above(actual: number, limit: number): boolean {
  return Math.round(actual * MICRO) > Math.round(limit * MICRO);
}

function refuseStrangers(
  flag: BudgetCheck['flag'],
  byModel: Budget['byModel'],
  models: readonly ModelEstimate[],
): void {
  const known = models.map(({ id }) => id);
  const stranger = Object.keys(byModel).find((id) => !known.includes(id));
  if (stranger === undefined) return;
  throw new MmdeployError(
    'usage.invalid',
    `\`${flag} ${stranger}=${byModel[stranger] ?? ''}\`: \`${stranger}\` is not estimated`,
    {
      hints: [
        `estimated are ${known.map((id) => `\`${id}\``).join(', ')}: \`${flag} ${known[0] ?? 'MODEL'}=…\``,
      ],
    },
  );
}

/** Exit 4 where a limit or the growth that was allowed is exceeded; null where all is within. */
export function overBudget({ budgets = [], baseline }: Estimate): MmdeployError | null {
  const limits = budgets.filter(({ exceeded }) => exceeded).map(limitLine);
  const grown = (baseline?.rows ?? []).flatMap(({ id, engine, tokens, usd }) => {
    const name = id === 'total' ? 'all models together' : `${id} on ${engine}`;
    return [
      ...(tokens.exceeded ? [`${name}: ${growthText(tokens, 'tokens')}`] : []),
      ...(usd?.exceeded === true ? [`${name}: ${growthText(usd, 'dollars')}`] : []),
    ];
  });
  if (limits.length + grown.length === 0) return null;
  const [first = '', ...others] = [...limits, ...grown];
  return new MmdeployError('budget.exceeded', first, {
    details: others,
    hints: [
      ...(grown.length > 0
        ? [
            `allowed are ${baseline?.maxGrowthPercent ?? 0} % (--max-growth); if the growth is wanted, ` +
              `make a new baseline: \`mmdeploy estimate … -o json > ${baseline?.file ?? 'baseline.json'}\``,
          ]
        : []),
      ...(budgets.some(({ exceeded, actual }) => exceeded && actual === null)
        ? [
            'what is not known is not within a budget: name the models of the budget, as in `--max-usd gpt-4o=5`',
          ]
        : []),
      ...(limits.length > 0
        ? ['the report says what costs most and what would save: `mmdeploy estimate … -o table`']
        : []),
    ],
  });
}

function limitLine({ flag, id, engine, limit, actual }: BudgetCheck): string {
  const unit = flag === '--max-tokens' ? 'tokens' : 'dollars';
  const has = actual === null ? `an unknown number of ${unit}` : `${plain(actual)} ${unit}`;
  return `${id} on ${engine} takes ${has}, and ${flag} allows ${plain(limit)}`;
}

function growthText(
  {
    before,
    after,
    growthPercent,
  }: { before: number | null; after: number | null; growthPercent: number | null },
  unit: string,
): string {
  const from = before === null ? 'unknown' : plain(before);
  const to = after === null ? 'unknown' : plain(after);
  const by = growthPercent === null ? '' : ` (${growthPercent > 0 ? '+' : ''}${growthPercent} %)`;
  return `${from} -> ${to} ${unit}${by}`;
}

function plain(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 6 });
}
