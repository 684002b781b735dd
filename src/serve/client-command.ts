import { spawn } from 'node:child_process';
import { access, constants, stat } from 'node:fs/promises';
import { constants as system } from 'node:os';
import { delimiter, resolve } from 'node:path';
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
    return await new Promise<number>((settle, reject) => {
      child.on('error', (error: NodeJS.ErrnoException) => {
        if (child.pid === undefined) reject(cannotRun(file, error));
      });
      child.on('exit', (code, signal) => {
        settle(signal === null ? (code ?? 1) : 128 + system.signals[signal]);
      });
    });
  } finally {
    stop.removeEventListener('abort', terminate);
    force.removeEventListener('abort', kill);
  }
}

/**
 * Whether `runClientCommand` would find its program, told before a model is loaded for it. Throws
 * `tool.missing`. On Windows, where the ending of a name is a choice of the system's, nothing is checked.
 */
export async function checkClientCommand(
  { argv: [file = ''], env, cwd }: ClientCommand,
  platform: NodeJS.Platform,
): Promise<void> {
  if (platform === 'win32') return;
  const places = file.includes('/')
    ? [resolve(cwd, file)]
    : (env['PATH'] ?? '').split(delimiter).map((folder) => resolve(cwd, folder, file));
  const found = await Promise.all(places.map(isProgram));
  if (found.includes(true)) return;
  const exists = await Promise.all(
    places.map((place) =>
      access(place).then(
        () => true,
        () => false,
      ),
    ),
  );
  throw cannotRun(
    file,
    Object.assign(new Error('not found'), { code: exists.includes(true) ? 'EACCES' : 'ENOENT' }),
  );
}

async function isProgram(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

function cannotRun(file: string, error: NodeJS.ErrnoException): MmdeployError {
  const why = error.code === 'ENOENT' ? 'no such program' : (error.code ?? error.message);
  return new MmdeployError('tool.missing', `cannot run \`${file}\`: ${why}`, {
    hints: ['give a program of PATH or a path: `mmdeploy serve MODEL -- COMMAND ARGS`'],
    cause: error,
  });
}
