import type { Command } from 'commander';
import type { CheckOptions } from '../requests/budgets.ts';
import type { Registrar, Shell } from '../shell.ts';
import { addCheckOptions } from './estimate-money.ts';
import { PACKAGE_VERSION } from '../version.ts';

type MergeOptions = CheckOptions & { readonly strict?: boolean };

/** `mmdeploy estimate merge FILES…`. */
export function registerMerge(estimate: Command, { action }: Pick<Registrar, 'action'>): void {
  const command = estimate
    .command('merge')
    .summary('add up the shares of a job')
    .description(
      'Adds up what `estimate --shard I/N -o json` wrote on each machine: the very document that one\n' +
        'machine would have made of all inputs. Shares that are missing, doubled or of another job are refused.' +
        '\n\nExample:\n  mmdeploy estimate merge part-*.json -o json',
    )
    .argument('<files...>', 'every share of the job')
    .option('--strict', 'exit 7 when an input could not be read');
  addCheckOptions(command).action(action(runMerge));
}

async function runMerge(shell: Shell, command: Command): Promise<number> {
  const { finishEstimate } = await import('./estimate-print.ts');
  const { toChecks } = await import('../requests/budgets.ts');
  const { mergeWorkflow } = await import('../../workflows/estimate-share.ts');
  const options = command.opts<MergeOptions>();
  const version = { version: PACKAGE_VERSION };
  const { request, estimate } = await mergeWorkflow(command.args, version, shell.context);
  const asked = {
    items: request.items,
    strict: options.strict === true,
    checks: toChecks(options),
  };
  return await finishEstimate(shell, asked, () => Promise.resolve(estimate));
}
