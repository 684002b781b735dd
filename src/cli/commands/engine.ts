import type { Command } from 'commander';
import { Argument } from 'commander';
import type { Gpu } from '../../contracts/machine.ts';
import { EXIT_CODES, MmdeployError, nearest } from '../../errors.ts';
import { wholeNumber } from '../requests/values.ts';
import type { Registrar, Shell } from '../shell.ts';

type InstallOptions = {
  readonly accelerator?: string;
  readonly build?: string;
  readonly url?: string;
  readonly sha256?: string;
  readonly force?: boolean;
};

/** `mmdeploy engine install|list|path`. */
export function registerEngine({ begin, action }: Registrar): void {
  const engine = begin('engine')
    .description('Finds llama-server, or installs it below your own data folder.')
    .helpCommand(false)
    .action(
      action((shell, command) => {
        const [typed] = command.args;
        if (typed !== undefined) throw unknownSubcommand(typed);
        shell.io.stdout(command.helpInformation());
        return Promise.resolve(EXIT_CODES.ok.code);
      }),
    )
    .allowExcessArguments();
  engine
    .command('install')
    .summary('install llama-server below your data folder')
    .description(
      'Installs llama-server: `debian` from the packages of the machine’s own mirror,\n' +
        '`release` from the official archive, `auto` (default) whichever suits the GPUs.\n' +
        'Nothing is changed system-wide.',
    )
    .addArgument(
      new Argument('[source]', 'where from').choices(['auto', 'debian', 'release']).default('auto'),
    )
    .option('--accelerator <name>', 'cpu, cuda, vulkan, rocm or metal (default: by the GPUs)')
    .option('--build <n>', 'release: build number')
    .option('--url <url>', 'release: archive to take instead')
    .option('--sha256 <hex>', 'release: checksum the archive must have')
    .option('--force', 'install even where one is there')
    .action(action(install));
  engine
    .command('list')
    .summary('engines that are found, and which one is used')
    .description('Lists the engines that are found, and which one is used.')
    .option('--llama-server <file>', 'an engine to look at first')
    .action(action(list));
  engine
    .command('path')
    .summary('path of the engine that is used')
    .description('Prints the path of the engine that is used.')
    .option('--llama-server <file>', 'an engine to look at first')
    .action(action(path));
}

function unknownSubcommand(typed: string): MmdeployError {
  const names = ['install', 'list', 'path'];
  const near = nearest(typed, names).map((name) => `\`mmdeploy engine ${name}\``);
  return new MmdeployError('usage.invalid', `unknown command \`engine ${typed}\``, {
    hints: [
      near.length > 0 ? `did you mean ${near.join(', ')}?` : `it knows ${names.join(', ')}`,
      '`mmdeploy engine --help` says what each does',
    ],
  });
}

async function install(shell: Shell, command: Command): Promise<number> {
  const { installEngine } = await import('../../workflows/engine-install.ts');
  const { engineInstallText } = await import('../../report/engine.ts');
  const options = command.opts<InstallOptions>();
  const result = await installEngine(
    {
      source: command.processedArgs[0] as 'auto' | 'debian' | 'release',
      gpus: await detectedGpus(shell),
      accelerator: options.accelerator ?? null,
      build: wholeNumber('--build', options.build),
      url: options.url ?? null,
      sha256: options.sha256 ?? null,
      force: options.force === true,
    },
    shell.context,
  );
  await shell.print(result, () => engineInstallText(result, shell.view));
  return EXIT_CODES.ok.code;
}

async function list(shell: Shell, command: Command): Promise<number> {
  const { listEngines } = await import('../../workflows/engine.ts');
  const { enginesText } = await import('../../report/engine.ts');
  const flag = command.opts<{ llamaServer?: string }>().llamaServer ?? null;
  const found = await listEngines(shell.context, { flag, gpus: await detectedGpus(shell) });
  await shell.print(found, () => enginesText(found, shell.view));
  return EXIT_CODES.ok.code;
}

async function path(shell: Shell, command: Command): Promise<number> {
  const { enginePath } = await import('../../workflows/engine.ts');
  const flag = command.opts<{ llamaServer?: string }>().llamaServer ?? null;
  const found = await enginePath(shell.context, flag);
  await shell.print({ path: found }, () => found);
  return EXIT_CODES.ok.code;
}

async function detectedGpus(shell: Shell): Promise<readonly Gpu[]> {
  const { doctorWorkflow } = await import('../../workflows/doctor.ts');
  return (await doctorWorkflow(shell.context, () => Promise.resolve([]))).gpus;
}
