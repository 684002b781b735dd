import type { Folders } from '../process/folders.ts';
import type { RunCommand, RunResult } from '../process/run.ts';
import { MmdeployError } from '../errors.ts';

/** What an installer may touch outside itself. The workflows' `Context` is one. */
export type InstallContext = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  readonly folders: Folders;
  readonly run: RunCommand;
  readonly now: () => Date;
  readonly signal: AbortSignal;
  readonly notice: (line: string) => void;
  readonly progress: (
    state: {
      readonly label: string;
      readonly done: number;
      readonly total: number | null;
      readonly unit: 'bytes' | 'files' | 'inputs' | 'steps';
    } | null,
  ) => void;
};

/** Throws `interrupted` once Ctrl-C was pressed. */
export function stopIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw interrupted();
}

export function interrupted(): MmdeployError {
  return new MmdeployError('interrupted', 'interrupted: nothing was installed');
}

/** The last lines of a tool that failed, for `details`. */
export function lastLines(result: RunResult, limit = 8): string[] {
  const text = `${result.stdout}\n${result.stderr}`
    .split('\n')
    .filter((line) => line.trim() !== '');
  return text.slice(-limit);
}
