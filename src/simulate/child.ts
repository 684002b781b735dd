import { spawn } from 'node:child_process';
import { killGroup } from '../process/run.ts';
import { engineEnvironment } from '../engine/environment.ts';
import { guardedCommand } from '../serve/supervisor/orphan-guard.ts';
import type { OrphanGuard } from '../serve/supervisor/orphan-guard.ts';

type Env = Readonly<Record<string, string | undefined>>;

export type Child = {
  /** The program's own, except where a watchdog stands before it. */
  readonly pid: number | undefined;
  /** Resolves when the process is gone and its output is read. */
  readonly gone: Promise<void>;
  readonly isGone: () => boolean;
  /** Exit code; null while it runs, when a signal ended it, and when it could not be started. */
  readonly exitCode: () => number | null;
  /** Kills the whole group and waits for its end. */
  readonly kill: () => Promise<void>;
};

/** Longest wait for a killed process: one that hangs in a driver is left behind. */
const KILL_WAIT_MS = 2000;

/**
 * Starts a program of llama.cpp in a group of its own that does not outlive this process. `onText` gets
 * what it prints on either stream. Never throws: a program that cannot be started is gone at once.
 */
export function startChild(
  command: {
    readonly file: string;
    readonly args: readonly string[];
    readonly env: Env;
    readonly guard: OrphanGuard;
  },
  onText: (text: string) => void,
): Child {
  const guarded = guardedCommand(command.guard, command.file, command.args, process.pid);
  const child = spawn(guarded.file, guarded.args, {
    detached: process.platform !== 'win32',
    env: engineEnvironment(command.env),
    stdio: [guarded.stdin, 'pipe', 'pipe'],
    windowsHide: true,
  });
  child.stdin?.on('error', () => undefined);
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', onText);
  }
  let ended = false;
  const gone = new Promise<void>((resolve) => {
    const finish = () => {
      ended = true;
      child.stdin?.destroy();
      resolve();
    };
    child.on('error', finish);
    child.on('close', finish);
  });
  return {
    pid: command.guard === 'watchdog' ? undefined : child.pid,
    gone,
    isGone: () => ended,
    exitCode: () => child.exitCode,
    kill: async () => {
      if (ended) return;
      killGroup(child.pid, 'SIGKILL');
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, KILL_WAIT_MS);
      });
      await Promise.race([gone, late]);
      clearTimeout(timer);
    },
  };
}
