import type { Command } from 'commander';
import { EXIT_CODES, MmdeployError, nearest } from '../../errors.ts';
import type { Registrar } from '../shell.ts';

/** Environment variables that are read; `mmdeploy help environment` prints this table. */
const ENVIRONMENT = {
  MMDEPLOY_LLAMA_SERVER: 'llama-server to use, before PATH and installed ones',
  XDG_DATA_HOME: 'installed engines (default ~/.local/share)',
  XDG_CACHE_HOME: 'the demo model and engine probes (default ~/.cache)',
  XDG_STATE_HOME: 'logs, and what memory allowed (default ~/.local/state)',
  XDG_CONFIG_HOME: 'own profiles in mmdeploy/profiles (default ~/.config)',
  CUDA_VISIBLE_DEVICES: 'GPUs that are detected',
  NO_COLOR: 'no colour',
  FORCE_COLOR: 'colour even in a pipe',
} as const;

const OUTPUT = `stdout carries the result; notices, progress, prompts and errors go to stderr.

-o table          text for people: boxes and colour on a terminal, neither in a pipe
-o json, -o yaml  one document with a \`schema\` field; integers are raw, what is
                  unknown is null
-q                only the result line
-v                on stderr: the programs that are run, what is sent, and times
--explain         every number with its formula and basis

With \`-o json\` an error is one JSON object on stderr:
  {"error": {"code", "exitCode", "message", "details", "hints"}}
Exit codes 1, 2, 5 and 6 leave stdout empty; 3, 4 and 7 are results, and stdout
holds the whole document.
`;

const TOPICS: Readonly<Record<string, () => string>> = {
  'exit-codes': () =>
    Object.entries(EXIT_CODES)
      .map(
        ([name, { code, meaning }]) =>
          `${String(code).padStart(3)}  ${name.padEnd(12)} ${meaning}\n`,
      )
      .join(''),
  environment: () =>
    Object.entries(ENVIRONMENT)
      .map(([name, meaning]) => `${name.padEnd(22)} ${meaning}\n`)
      .join(''),
  output: () => OUTPUT,
};

/** `mmdeploy help [COMMAND…|TOPIC]`. */
export function registerHelpTopics({ program, begin, action }: Registrar): void {
  begin('help')
    .argument('[topic...]', `a command, or one of ${Object.keys(TOPICS).join(', ')}`)
    .description(
      `Shows the help of a command, or a topic: ${Object.keys(TOPICS)
        .map((name) => `\`${name}\``)
        .join(', ')}.`,
    )
    .action(
      action((shell, command) => {
        const [first = ''] = command.args;
        shell.io.stdout(TOPICS[first]?.() ?? commandNamed(program, command.args).helpInformation());
        return Promise.resolve(EXIT_CODES.ok.code);
      }),
    );
}

/** The command that `names` lead to, as in `help engine install`. Throws `usage.invalid`. */
function commandNamed(program: Command, names: readonly string[]): Command {
  let command = program;
  for (const name of names) {
    const next = command.commands.find((each) => each.name() === name);
    if (next === undefined) throw noSuchTopic(command, name);
    command = next;
  }
  return command;
}

function noSuchTopic(within: Command, name: string): MmdeployError {
  const topics = within.parent === null ? Object.keys(TOPICS) : [];
  const known = [...within.commands.map((each) => each.name()), ...topics];
  const near = nearest(name, known).map((each) => `\`mmdeploy help ${each}\``);
  return new MmdeployError('usage.invalid', `no command or topic \`${name}\``, {
    hints: [
      ...(near.length > 0 && within.parent === null ? [`did you mean ${near.join(', ')}?`] : []),
      known.length > 0
        ? `there is help for ${known.join(', ')}`
        : `\`mmdeploy ${within.name()} --help\` is all there is`,
    ],
  });
}
