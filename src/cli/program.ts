import { Command, CommanderError, Option } from 'commander';
import { EXIT_CODES, MmdeployError, messageOf, nearest } from '../errors.ts';
import type { CommandEntry } from './commands/index.ts';
import { COMMANDS, isCommandName } from './commands/index.ts';
import type { Io } from './io.ts';
import type { CommonOptions, Registrar } from './shell.ts';
import { OUTPUT_MODES } from './io.ts';
import { PACKAGE_VERSION } from './version.ts';

const INTRODUCTION = `Plan, estimate and serve multimodal models on your own GPUs with llama.cpp.

  mmdeploy plan qwen2.5-vl-7b          what fits on this machine, and with which settings
  mmdeploy estimate photos/ --model gpt-4o,qwen2.5-vl-7b
                                       tokens and cost of an input set
  mmdeploy serve MODEL.gguf            llama.cpp behind an OpenAI-compatible gateway

next: \`mmdeploy demo\` runs all of it on a tiny generated model, or see \`mmdeploy --help\`
`;

/** The whole program: parses `argv` (without node and script), runs one command, returns the exit code. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  if (argv.length === 0) {
    io.stdout(INTRODUCTION);
    return EXIT_CODES.ok.code;
  }
  let exitCode: number = EXIT_CODES.ok.code;
  const program = await createProgram(io, argv, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    return fail(error, argv, io);
  }
}

/** The command tree: in full for the commands that `argv` speaks of, in name and summary for the others. */
async function createProgram(
  io: Io,
  argv: readonly string[],
  setExitCode: (code: number) => void,
): Promise<Command> {
  const program = new Command('mmdeploy')
    .description('Plan, estimate and serve multimodal models on your own GPUs with llama.cpp.')
    .version(PACKAGE_VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help for a command')
    .configureHelp({
      showGlobalOptions: false,
      helpWidth: Math.min(io.columns, 100),
      minWidthToWrap: 24,
    })
    .showSuggestionAfterError(true)
    .helpCommand(false)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout(text),
      writeErr: (text) => io.stderr(text),
      // Errors are printed once, in our own form, by fail().
      outputError: () => undefined,
    });
  const registrar: Registrar = {
    program,
    begin: (name) => program.command(name).summary(COMMANDS[name].summary),
    action:
      (body) =>
      async (...all) => {
        // commander passes the command itself last.
        const command = all[all.length - 1] as Command;
        // Loaded when a command runs: `--help` has no need of it.
        const { openShell } = await import('./shell.ts');
        const shell = await openShell(io, argv, command.opts<CommonOptions>());
        setExitCode(await body(shell, command));
      },
  };
  const wanted = argv.filter(isCommandName).slice(0, MOST_NAMED);
  for (const name of Object.keys(COMMANDS).filter(isCommandName)) {
    if (wanted.includes(name)) (await COMMANDS[name].load())(registrar);
    else outline(registrar.begin(name), COMMANDS[name].args);
  }
  for (const command of withSubcommands(program)) addCommonOptions(command);
  return program;
}

/** Just enough of a command for the list of `--help`. */
function outline(command: Command, args: readonly string[] | null): void {
  if (args === null) command.command('…', { hidden: true });
  else for (const arg of args) command.argument(arg);
}

/** `help plan` speaks of two commands; words further on are arguments. */
const MOST_NAMED = 2;

function withSubcommands(program: Command): Command[] {
  return program.commands.flatMap((command) => [command, ...withSubcommands(command)]);
}

function addCommonOptions(command: Command): void {
  if (command.commands.length > 0 && command.registeredArguments.length === 0) return;
  command
    .optionsGroup('Output:')
    .addOption(
      new Option('-o, --output <mode>', 'form of the result on stdout')
        .choices([...OUTPUT_MODES, ...furtherModes(command)])
        .default('table'),
    )
    .option('-q, --quiet', 'only the result')
    .option('-v, --verbose', 'more about what is done')
    .option('--explain', 'every number with its formula and basis')
    .option('--no-color', 'no colour (also NO_COLOR=1)')
    .option('--profiles <dir>', 'further model profiles (YAML); they win over the built-in ones')
    .option('--debug', 'stack traces of errors');
}

/** Of a command or of the one that it belongs to. */
function furtherModes(command: Command): readonly string[] {
  const name = command.name();
  const entry: CommandEntry | null = isCommandName(name) ? COMMANDS[name] : null;
  if (entry !== null || command.parent === null) return entry?.outputs ?? [];
  return furtherModes(command.parent);
}

function fail(error: unknown, argv: readonly string[], io: Io): Promise<number> | number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT_CODES.ok.code;
    return report(usageError(error), argv, io);
  }
  if (io.signal.aborted && !(error instanceof MmdeployError)) {
    return report(new MmdeployError('interrupted', 'interrupted'), argv, io);
  }
  return report(error, argv, io);
}

async function report(error: unknown, argv: readonly string[], io: Io): Promise<number> {
  const { errorDocument, errorText } = await import('./failure.ts');
  const json =
    argv.some((arg, index) => /^(-o|--output)$/.test(argv[index - 1] ?? '') && arg === 'json') ||
    argv.some((arg) => /^(-ojson|--output=json)$/.test(arg));
  io.stderr(json ? `${JSON.stringify(errorDocument(error))}\n` : errorText(error));
  if (argv.includes('--debug') && error instanceof Error) io.stderr(`${error.stack ?? ''}\n`);
  return error instanceof MmdeployError ? error.exitCode : EXIT_CODES.failure.code;
}

function usageError(error: CommanderError): MmdeployError {
  const [first = '', ...rest] = messageOf(error)
    .replace(/^error: /, '')
    .split('\n');
  const choice =
    /^option '(--[\w-]+|-\w, --[\w-]+)[^']*' argument '([^']*)' is invalid\. Allowed choices are (.*)\.$/.exec(
      first,
    );
  if (choice !== null) return wrongChoice(choice);
  const suggestion = /\(Did you mean (.*)\?\)/.exec(rest.join(' '))?.[1];
  return new MmdeployError('usage.invalid', first, {
    hints: [
      ...(suggestion === undefined ? [] : [`did you mean \`${suggestion}\`?`]),
      '`mmdeploy help` lists the commands, `mmdeploy COMMAND --help` the flags of one',
    ],
  });
}

/** A value that is not among the choices of its flag, with the nearest of them. */
function wrongChoice([, flags = '', value = '', list = '']: RegExpExecArray): MmdeployError {
  const flag = flags.split(' ').at(-1) ?? flags;
  const near = nearest(value, list.split(', ')).map((name) => `\`${flag} ${name}\``);
  return new MmdeployError(
    'usage.invalid',
    `\`${flag} ${value === '' ? '""' : value}\`: no such choice`,
    {
      hints: [
        ...(near.length > 0 ? [`did you mean ${near.join(' or ')}?`] : []),
        `\`${flag}\` takes ${list}`,
      ],
    },
  );
}
