import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { MmdeployError } from '../errors.ts';

export type ClientCommand = {
  /** Program and arguments; the program is looked up in PATH. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
};

/**
 * Runs a program on our own stdin, stdout and stderr to its end, and returns the code a shell would:
 * its own, or 128 + the signal that ended it. `stop` sends SIGTERM, `force` SIGKILL.
 * Throws `tool.missing` when it cannot be started.
 */
export async function runClientCommand(
  { argv: [file = '', ...args], env, cwd }: ClientCommand,
  stop: AbortSignal,
  force: AbortSignal,
): Promise<number> {
  const child = spawn(file, args, { stdio: 'inherit', env, cwd });
  const terminate = () => void child.kill('SIGTERM');
  const kill = () => void child.kill('SIGKILL');
  if (stop.aborted) terminate();
  stop.addEventListener('abort', terminate, { once: true });
  force.addEventListener('abort', kill, { once: true });
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', (error: NodeJS.ErrnoException) => {
        if (child.pid === undefined) reject(cannotRun(file, error));
      });
      child.on('exit', (code, signal) => {
        resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal]);
      });
    });
  } finally {
    stop.removeEventListener('abort', terminate);
    force.removeEventListener('abort', kill);
  }
}

function cannotRun(file: string, error: NodeJS.ErrnoException): MmdeployError {
  const why = error.code === 'ENOENT' ? 'no such program' : (error.code ?? error.message);
  return new MmdeployError('tool.missing', `cannot run \`${file}\`: ${why}`, {
    hints: ['give a program of PATH or a path: `mmdeploy serve MODEL -- COMMAND ARGS`'],
    cause: error,
  });
}
