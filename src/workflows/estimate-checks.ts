import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Estimate } from '../contracts/estimate.ts';
import { MmdeployError, fileFault } from '../errors.ts';
import { compareToBaseline, parseBaseline } from '../estimate/baseline.ts';
import type { Budget } from '../estimate/budget.ts';
import { checkBudgets } from '../estimate/budget.ts';
import { compareModels } from '../estimate/compare.ts';
import type { Context } from './context.ts';

/** What a finished estimate is held against. */
export type ChecksRequest = {
  readonly compare: boolean;
  readonly budgets: readonly Budget[];
  readonly baseline: { readonly file: string; readonly maxGrowthPercent: number | null } | null;
};

/**
 * Reads what is needed, so that a missing baseline fails before millions of files are counted; the function
 * it returns puts comparison, budgets and growth into a finished estimate. Throws `file.missing`,
 * `input.invalid` for a file that is no report, `usage.invalid` where it is one of other models.
 */
export async function openChecks(
  checks: ChecksRequest | undefined,
  ctx: Context,
): Promise<(estimate: Estimate) => Estimate> {
  if (checks === undefined) return (estimate) => estimate;
  const { compare, budgets, baseline } = checks;
  const before = baseline === null ? null : await readBaseline(baseline.file, ctx);
  return (estimate) => ({
    ...estimate,
    ...(compare ? { comparison: compareModels(estimate.models) } : {}),
    ...(budgets.length > 0 ? { budgets: checkBudgets(estimate.models, budgets) } : {}),
    ...(before === null
      ? {}
      : { baseline: compareToBaseline(estimate, before, baseline?.maxGrowthPercent ?? null) }),
  });
}

async function readBaseline(file: string, { cwd }: Context) {
  let text: string;
  try {
    text = await readFile(resolve(cwd, file), 'utf8');
  } catch (error) {
    const fault = fileFault(error);
    const code = fault === 'no such file' ? 'file.missing' : 'file.unreadable';
    throw new MmdeployError(code, `cannot read \`--baseline ${file}\`: ${fault}`, {
      hints: [`make one: \`mmdeploy estimate … -o json > ${file}\``],
      cause: error,
    });
  }
  return parseBaseline(file, text);
}
