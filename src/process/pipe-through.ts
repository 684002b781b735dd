import { spawn } from 'node:child_process';
import { killGroup } from './run.ts';

export type PipeOptions = {
  /** What the program reads on its standard input; a program that stops reading is no error. */
  readonly input: Uint8Array;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Left out: our own. */
  readonly env?: NodeJS.ProcessEnv;
  /** What it writes to its file descriptor 3, as it comes; all of it before the end. */
  readonly report?: (text: string) => void;
};

/** The program is not there, ended with another code than 0, or was given up. */
export class PipeError extends Error {
  readonly reason: 'not-found' | 'failed' | 'timeout';
  /** All that it said, at most 64 KiB; the message is the last line. */
  readonly said: string;

  constructor(reason: PipeError['reason'], message: string, said = '') {
    super(message);
    this.said = said;
    this.name = 'PipeError';
    this.reason = reason;
  }
}

const MOST_STDERR = 64 * 1024;

/**
 * Bytes through a program: argv array, no shell, own process group. What it prints comes as it is
 * printed, and is not read faster than it is taken; whoever stops taking ends the program. Throws
 * `PipeError`, and the signal's reason.
 */
export async function* pipeThrough(
  file: string,
  args: readonly string[],
  { input, timeoutMs, signal, env, report }: PipeOptions,
): AsyncGenerator<Buffer> {
  signal.throwIfAborted();
  const child = spawn(file, args, {
    detached: process.platform !== 'win32',
    stdio: ['pipe', 'pipe', 'pipe', report === undefined ? 'ignore' : 'pipe'],
    windowsHide: true,
    ...(env === undefined ? {} : { env }),
  });
  const { stdin, stdout, stderr: messages } = child;
  if (stdin === null || stdout === null || messages === null) throw new Error('no pipes');
  const ended = new Promise<PipeError | null>((resolve) => {
    child.on('error', ({ message }) => resolve(new PipeError('not-found', message)));
    child.on('close', (code) =>
      resolve(
        code === 0
          ? null
          : new PipeError('failed', lastLine(stderr) || `exit code ${code}`, stderr),
      ),
    );
  });
  let stderr = '';
  messages.on('data', (chunk: Buffer) => {
    if (stderr.length < MOST_STDERR) stderr += chunk.toString('utf8');
  });
  child.stdio[3]?.on('data', (chunk: Buffer) => report?.(chunk.toString('utf8')));
  const limit = AbortSignal.timeout(timeoutMs);
  const stop = () => killGroup(child.pid, 'SIGKILL');
  const either = AbortSignal.any([signal, limit]);
  either.addEventListener('abort', stop, { once: true });
  stdin.on('error', () => undefined);
  stdin.end(input);
  try {
    for await (const chunk of stdout) yield chunk as Buffer;
    const failure = await ended;
    signal.throwIfAborted();
    if (limit.aborted) throw new PipeError('timeout', `${file} took over ${timeoutMs / 1000} s`);
    if (failure !== null) throw failure;
  } finally {
    either.removeEventListener('abort', stop);
    stop();
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? '';
}
