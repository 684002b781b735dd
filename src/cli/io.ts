import type { Readable } from 'node:stream';

/** Forms in which `-o` prints a result. */
export const OUTPUT_MODES = ['table', 'json', 'yaml'] as const;

/** Further forms of the commands that have rows. */
export const TABLE_MODES = ['csv', 'markdown'] as const;

/** The streams and facts of the process that a run may use; tests pass buffers. */
export type Io = {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly stdoutIsTty: boolean;
  readonly stderrIsTty: boolean;
  readonly stdinIsTty: boolean;
  readonly stdin: () => Readable;
  /** Width of stdout in columns; 80 when it is not a terminal. */
  readonly columns: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly platform: NodeJS.Platform;
  readonly now: () => Date;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  /** Aborted by the second of them: no more waiting. */
  readonly force: AbortSignal;
};

/** Whether to colour a stream: `FORCE_COLOR` wins, then `NO_COLOR`, `TERM=dumb` and the TTY. */
export function wantsColour(io: Io, isTty: boolean, flag: boolean | undefined): boolean {
  if (flag === false) return false;
  const forced = io.env['FORCE_COLOR'];
  if (forced !== undefined && forced !== '') return forced !== '0';
  if ((io.env['NO_COLOR'] ?? '') !== '' || io.env['TERM'] === 'dumb') return false;
  return isTty;
}
