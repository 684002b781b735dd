import type { Command } from 'commander';
import type { Palette, View } from '../report/palette.ts';
import { PLAIN } from '../report/palette.ts';
import type { Context } from '../workflows/context.ts';
import type { CommandName } from './commands/index.ts';
import type { Io } from './io.ts';
import { wantsColour } from './io.ts';
import type { OUTPUT_MODES, TABLE_MODES } from './io.ts';
import { progressLine } from './progress.ts';
import type { RunCommand } from '../process/run.ts';
import { runCommand } from '../process/run.ts';
import { createContext } from '../workflows/create-context.ts';

type TableMode = (typeof TABLE_MODES)[number];
type OutputMode = (typeof OUTPUT_MODES)[number] | TableMode;
type Text = () => string | Promise<string>;

/** The options that every command has. */
export type CommonOptions = {
  readonly output: OutputMode;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly explain?: boolean;
  readonly color?: boolean;
  readonly profiles?: string;
  readonly debug?: boolean;
};

/** What a command's body works with: its common options made usable. */
export type Shell = {
  readonly io: Io;
  /** The whole command line, for what commander does not keep (`--`). */
  readonly argv: readonly string[];
  readonly options: CommonOptions;
  readonly view: View;
  readonly context: Context;
  /** Warnings on stderr, for the text form of a result; JSON and YAML carry them in the document. */
  readonly warn: (warnings: readonly string[]) => void;
  /** Prints a result on stdout: `document` as JSON or YAML, the text made for people, or one of its further forms. */
  readonly print: (
    document: unknown,
    text: Text,
    forms?: Readonly<Record<TableMode, Text>>,
  ) => Promise<void>;
};

/** Where commands register; the number a body returns is the exit code of the whole run. */
export type Registrar = {
  readonly program: Command;
  /** Opens a command of the list with its name and summary. */
  readonly begin: (name: CommandName) => Command;
  /** Wraps a body for commander's `.action()`; arguments and options are read off `command`. */
  readonly action: (
    body: (shell: Shell, command: Command) => Promise<number>,
  ) => (...all: readonly unknown[]) => Promise<void>;
};

export async function openShell(
  io: Io,
  argv: readonly string[],
  options: CommonOptions,
): Promise<Shell> {
  const quiet = options.quiet === true;
  const palette = await loadPalette(wantsColour(io, io.stdoutIsTty, options.color));
  const context = createContext({
    env: io.env,
    cwd: io.cwd,
    platform: io.platform,
    now: io.now,
    signal: io.signal,
    stdin: io.stdinIsTty ? null : io.stdin,
    ...(options.verbose === true ? tracing(io) : {}),
    ...(quiet ? {} : { notice: (line) => io.stderr(`${line}\n`), progress: progressLine(io) }),
  });
  return {
    io,
    argv,
    options,
    view: {
      palette,
      boxes: io.stdoutIsTty ? io.columns : false,
      quiet,
      explain: options.explain === true,
    },
    context,
    warn: (warnings) => {
      if (options.output === 'json' || options.output === 'yaml') return;
      for (const warning of warnings) context.notice(`warning: ${warning}`);
    },
    print: async (document, text, forms) => {
      const { output } = options;
      const further = output === 'csv' || output === 'markdown' ? forms?.[output] : undefined;
      io.stdout(await rendered(document, further ?? text, output));
    },
  };
}

/** `--verbose`: every program that is run, with its exit and time, on stderr. */
function tracing(io: Io): Pick<Context, 'run' | 'trace'> {
  const trace = (line: string) => io.stderr(`trace: ${line}\n`);
  const run: RunCommand = async (file, args, options) => {
    const startedAt = io.now().getTime();
    const result = await runCommand(file, args, options);
    const took = io.now().getTime() - startedAt;
    trace(
      `${[file, ...args].map(shownWord).join(' ')}  (${result.outcome}, exit ${result.code ?? '-'}, ${took} ms)`,
    );
    return result;
  };
  return { run, trace };
}

/** One line for each program: a script handed over as an argument is not repeated. */
function shownWord(word: string): string {
  if (word.includes('\n')) return "'…'";
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

async function rendered(document: unknown, text: Text, mode: OutputMode): Promise<string> {
  if (mode === 'json') return `${JSON.stringify(document, null, 2)}\n`;
  if (mode === 'yaml') {
    const { stringify } = await import('yaml');
    return stringify(document, { lineWidth: 0 });
  }
  const out = await text();
  return out.endsWith('\n') || out === '' ? out : `${out}\n`;
}

async function loadPalette(colour: boolean): Promise<Palette> {
  if (!colour) return PLAIN;
  const { Chalk } = await import('chalk');
  const chalk = new Chalk({ level: 1 });
  return {
    bold: (text) => chalk.bold(text),
    dim: (text) => chalk.dim(text),
    good: (text) => chalk.green(text),
    warn: (text) => chalk.yellow(text),
    bad: (text) => chalk.red(text),
  };
}
