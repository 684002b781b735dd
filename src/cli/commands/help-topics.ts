import type { Command } from 'commander';
import { EXIT_CODES } from '../../errors.ts';
import type { Registrar } from '../shell.ts';

/** Environment variables that are read; `mmdeploy help environment` prints this table. */
const ENVIRONMENT = {
  MMDEPLOY_LLAMA_SERVER: 'llama-server to use, before PATH and installed ones',
  XDG_DATA_HOME: 'installed engines (default ~/.local/share)',
  XDG_CACHE_HOME: 'the demo model and engine probes (default ~/.cache)',
  XDG_STATE_HOME: 'engine logs (default ~/.local/state)',
  XDG_CONFIG_HOME: 'own profiles in mmdeploy/profiles (default ~/.config)',
  CUDA_VISIBLE_DEVICES: 'GPUs that are detected',
  NO_COLOR: 'no colour',
  FORCE_COLOR: 'colour even in a pipe',
} as const;

/** `mmdeploy help exit-codes|environment`; any other topic is a command, and commander answers it. */
export function registerHelpTopics({ program, action }: Registrar): void {
  program
    .command('help')
    .argument('[topic]', 'a command, `exit-codes` or `environment`')
    .summary('help for a command or a topic')
    .description('Shows the help of a command, or a topic: `exit-codes`, `environment`.')
    .action(
      action((shell, command) => {
        const [topic] = command.args;
        const text = topicText(topic);
        if (text === null) showHelp(program, topic);
        else shell.io.stdout(text);
        return Promise.resolve(EXIT_CODES.ok.code);
      }),
    );
}

function topicText(topic: string | undefined): string | null {
  if (topic === 'exit-codes') {
    return Object.entries(EXIT_CODES)
      .map(
        ([name, { code, meaning }]) =>
          `${String(code).padStart(3)}  ${name.padEnd(12)} ${meaning}\n`,
      )
      .join('');
  }
  if (topic !== 'environment') return null;
  return Object.entries(ENVIRONMENT)
    .map(([name, meaning]) => `${name.padEnd(22)} ${meaning}\n`)
    .join('');
}

function showHelp(program: Command, topic: string | undefined): void {
  const command = program.commands.find((each) => each.name() === topic) ?? program;
  command.outputHelp();
}
