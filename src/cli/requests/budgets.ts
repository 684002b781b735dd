import { MmdeployError } from '../../errors.ts';
import type { Budget } from '../../estimate/budget.ts';
import type { ChecksRequest } from '../../workflows/estimate-checks.ts';

export type CheckOptions = {
  readonly compare?: boolean;
  readonly maxTokens?: string;
  readonly maxUsd?: string;
  readonly baseline?: string;
  readonly maxGrowth?: string;
};

/** What the estimate is held against; throws `usage.invalid` naming the flag and its value. */
export function toChecks({
  compare,
  maxTokens,
  maxUsd,
  baseline,
  maxGrowth,
}: CheckOptions): ChecksRequest {
  if (maxGrowth !== undefined && baseline === undefined) {
    throw new MmdeployError('usage.invalid', `\`--max-growth ${maxGrowth}\` needs a baseline`, {
      hints: [
        'name the report to compare with: `mmdeploy estimate … --baseline report.json --max-growth 10%`',
      ],
    });
  }
  return {
    compare: compare === true,
    budgets: [
      ...(maxTokens === undefined ? [] : [budgetOf('--max-tokens', maxTokens)]),
      ...(maxUsd === undefined ? [] : [budgetOf('--max-usd', maxUsd)]),
    ],
    baseline:
      baseline === undefined ? null : { file: baseline, maxGrowthPercent: growthOf(maxGrowth) },
  };
}

/** `5`, `gpt-4o=5,claude-sonnet-5=3`, or both: what is named wins. */
function budgetOf(flag: Budget['flag'], text: string): Budget {
  const byModel: Record<string, number> = {};
  let all: number | null = null;
  for (const part of text.split(',')) {
    const at = part.lastIndexOf('=');
    const limit = amount(flag, part.slice(at + 1));
    const id = part.slice(0, Math.max(0, at)).trim().toLowerCase();
    const again = at === -1 ? all !== null : Object.hasOwn(byModel, id);
    if (limit === null || again || (at !== -1 && id === '')) throw badBudget(flag, text);
    if (at === -1) all = limit;
    else byModel[id] = limit;
  }
  return { flag, all, byModel };
}

function amount(flag: Budget['flag'], text: string): number | null {
  const form = flag === '--max-usd' ? /^\s*\d{1,12}(\.\d{1,6})?\s*$/ : /^\s*\d{1,15}\s*$/;
  return form.test(text) ? Number(text) : null;
}

function badBudget(flag: Budget['flag'], text: string): MmdeployError {
  const [what, one, other] =
    flag === '--max-usd' ? ['dollars', '5', '2.50'] : ['tokens', '1000000', '500000'];
  return new MmdeployError('usage.invalid', `\`${flag} ${text}\` is no limit`, {
    hints: [
      `give ${what} for every model or by model: \`${flag} ${one}\`, \`${flag} gpt-4o=${one},gpt-4o-mini=${other}\``,
    ],
  });
}

function growthOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const percent = /^\s*(\d{1,6}(?:\.\d{1,2})?)\s*%?\s*$/.exec(text)?.[1];
  if (percent !== undefined) return Number(percent);
  throw new MmdeployError('usage.invalid', `\`--max-growth ${text}\` is no percentage`, {
    hints: ['give what may be added, in percent: `--max-growth 10%`; `0%` allows nothing'],
  });
}
