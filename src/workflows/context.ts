import type { Readable } from 'node:stream';
import type { Folders } from '../process/folders.ts';
import type { RunCommand } from '../process/run.ts';

/** Everything a workflow may touch outside itself; tests pass their own. */
export type Context = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly platform: NodeJS.Platform;
  readonly folders: Folders;
  readonly run: RunCommand;
  /** What is piped in; null on a terminal, where nobody would know that it is waited for. */
  readonly stdin: (() => Readable) | null;
  readonly now: () => Date;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  /** A line for the person on stderr: notices, warnings and phases; silent with `--quiet`. */
  readonly notice: (line: string) => void;
  /** A line for `--verbose`: programs that were run, arguments, times. */
  readonly trace: (line: string) => void;
  /** Progress in one line on a TTY, else a plain line now and then; null ends it. */
  readonly progress: (state: ProgressState | null) => void;
};

export type ProgressState = {
  readonly label: string;
  readonly done: number;
  readonly total: number | null;
  readonly unit: 'bytes' | 'files' | 'inputs' | 'steps';
};
