import type { Estimate } from '../../contracts/estimate.ts';
import { EXIT_CODES } from '../../errors.ts';
import { overBudget } from '../../estimate/budget.ts';
import type { Shard } from '../../estimate/shard.ts';
import { openChecks } from '../../workflows/estimate-checks.ts';
import type { EstimateRequest } from '../../workflows/estimate.ts';
import { incomplete } from '../../workflows/estimate.ts';
import type { Shell } from '../shell.ts';
import { PACKAGE_VERSION } from '../version.ts';

/**
 * Prints the document with what budgets and a baseline say of it, which are opened before anything is
 * counted. Throws `input.incomplete` with `--strict`, `budget.exceeded` where it is over.
 */
export async function finishEstimate(
  shell: Shell,
  request: Pick<EstimateRequest, 'checks' | 'items' | 'strict'>,
  make: () => Promise<Estimate>,
): Promise<number> {
  const check = await openChecks(request.checks, shell.context);
  const estimate = check(await make());
  await printEstimate(shell, estimate, request.items);
  shell.warn(estimate.warnings);
  const left = request.strict ? incomplete(estimate) : null;
  if (left !== null) throw left;
  const over = overBudget(estimate);
  if (over !== null) throw over;
  return EXIT_CODES.ok.code;
}

/** Prints an estimate in the form that was asked for; the reports are loaded as needed. */
async function printEstimate(shell: Shell, estimate: Estimate, items: boolean): Promise<void> {
  await shell.print(
    estimate,
    async () => {
      const { estimateText } = await import('../../report/estimate.ts');
      return estimateText(estimate, { ...shell.view, items });
    },
    {
      csv: async () => {
        const { estimateCsv } = await import('../../report/estimate-csv.ts');
        return estimateCsv(estimate, items);
      },
      markdown: async () => {
        const { estimateMarkdown } = await import('../../report/estimate-markdown.ts');
        return estimateMarkdown(estimate);
      },
    },
  );
}

/** One share of a job, which is of use to `estimate merge` only. */
export async function printShare(shell: Shell, request: EstimateRequest & { shard: Shard }) {
  const { shareWorkflow } = await import('../../workflows/estimate-share.ts');
  const share = await shareWorkflow(request, { version: PACKAGE_VERSION }, shell.context);
  const { inputs } = share.counted;
  const read = `${inputs.images} images, ${inputs.audios} sounds, ${inputs.videos} videos`;
  await shell.print(
    share,
    () =>
      `share ${request.shard.index} of ${request.shard.of}: ${read}, ${inputs.unreadableCount} unreadable; ` +
      'keep it with `-o json`, then `mmdeploy estimate merge`',
  );
  return EXIT_CODES.ok.code;
}
