import type { Command } from 'commander';
import { EXIT_CODES, MmdeployError } from '../../errors.ts';
import type { Registrar, Shell } from '../shell.ts';

/** `mmdeploy doctor`. */
export function registerDoctor({ begin, action }: Registrar): void {
  begin('doctor')
    .description(
      'Detects GPUs, CPU, memory, tools and engines. No GPU is an answer, not an error.\n' +
        '`doctor -o json > machine.json` on one machine is `plan --machine machine.json` on another.',
    )
    .option('--raw', 'what each tool printed, ids and home masked: paste it into a bug report')
    .action(action(runDoctor));
}

async function runDoctor(shell: Shell, command: Command): Promise<number> {
  const { doctorWorkflow, rawCaptures } = await import('../../workflows/doctor.ts');
  const { listEngines } = await import('../../workflows/engine.ts');
  if (command.opts<{ raw?: boolean }>().raw === true) {
    if (shell.options.output !== 'table') {
      throw new MmdeployError('usage.invalid', '`--raw` prints text as it was captured', {
        hints: ['leave `--output` out: `mmdeploy doctor --raw`'],
      });
    }
    shell.io.stdout(await rawCaptures(shell.context));
    return EXIT_CODES.ok.code;
  }
  const { doctorText } = await import('../../report/doctor.ts');
  const machine = await doctorWorkflow(
    shell.context,
    async () => (await listEngines(shell.context, { flag: null, gpus: [] })).engines,
  );
  await shell.print(machine, () => doctorText(machine, shell.view));
  return EXIT_CODES.ok.code;
}
