import { EXIT_CODES } from '../../errors.ts';
import type { Registrar, Shell } from '../shell.ts';
import type { Command } from 'commander';
import { PACKAGE_VERSION } from '../version.ts';

/** `mmdeploy check DIR`. */
export function registerCheck({ begin, action }: Registrar): void {
  begin('check')
    .description(
      'Says what of a deployment is not as its plan gives it, and shows each file to its reader again.\n' +
        'Exit 8 where anything has drifted.\n\nExample:\n' +
        '  mmdeploy check deploy/',
    )
    .argument('<dir>', 'folder that `mmdeploy plan … --write DIR` has written')
    .action(action(runCheck));
}

async function runCheck(shell: Shell, command: Command): Promise<number> {
  const { checkWorkflow } = await import('../../workflows/check.ts');
  const [folder = ''] = command.args;
  const report = await checkWorkflow({ folder, version: PACKAGE_VERSION }, shell.context);
  await shell.print(report, async () => {
    const { checkText } = await import('../../report/check.ts');
    return checkText(report, shell.view);
  });
  return report.drifted ? EXIT_CODES.drift.code : EXIT_CODES.ok.code;
}
