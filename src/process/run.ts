import { spawn } from 'node:child_process';

type RunOptions = {
  readonly timeoutMs: number;
  readonly env?: Readonly<NodeJS.ProcessEnv>;
  readonly cwd?: string;
  readonly signal?: AbortSignal;
  /** Most bytes kept of each stream; the rest is read and dropped so the child never blocks. */
  readonly maxBytes?: number;
  readonly input?: string;
};

export type RunResult = {
  /** Exit code; null when a signal ended it or it never started. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly outcome: 'exited' | 'signalled' | 'timeout' | 'not-found' | 'not-started' | 'aborted';
};

/** Runs a program to its end. Never throws: a missing tool is a normal outcome. */
export type RunCommand = (
  file: string,
  args: readonly string[],
  options: RunOptions,
) => Promise<RunResult>;

const DEFAULT_MAX_BYTES = 32 * 1024 * 1024;
/** How long a killed child may take to be gone. */
const STUCK_MS = 500;

/**
 * `RunCommand` on a real process: argv array, no shell, own process group. At the time-out the whole
 * group is killed, so a grandchild that holds the pipe cannot keep us waiting (execa 9 hangs there).
 */
export const runCommand: RunCommand = (file, args, options) =>
  new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: options.env,
      detached: process.platform !== 'win32',
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
    const stdout = collect(child.stdout, options.maxBytes ?? DEFAULT_MAX_BYTES);
    const stderr = collect(child.stderr, options.maxBytes ?? DEFAULT_MAX_BYTES);
    let outcome: RunResult['outcome'] = 'exited';
    let finished = false;
    const finish = (code: number | null, final: RunResult['outcome']) => {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ code, stdout: stdout(), stderr: stderr(), outcome: final });
    };
    const stop = (why: RunResult['outcome']) => {
      outcome = why;
      killGroup(child.pid, 'SIGKILL');
      // A child stuck in the kernel (a broken driver) cannot die: we answer without it.
      setTimeout(() => {
        child.unref();
        finish(null, why);
      }, STUCK_MS).unref();
    };
    const onAbort = () => stop('aborted');
    const timer = setTimeout(() => stop('timeout'), options.timeoutMs);
    if (options.signal?.aborted === true) onAbort();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    child.on('error', (error: NodeJS.ErrnoException) =>
      finish(null, error.code === 'ENOENT' ? 'not-found' : 'not-started'),
    );
    child.on('exit', (code, signal) => {
      const final = outcome === 'exited' && signal !== null ? 'signalled' : outcome;
      // 'close' waits for the pipes, which a grandchild may hold: after a kill we do not wait for it.
      if (outcome === 'exited') child.once('close', () => finish(code, final));
      else finish(code, final);
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });

/** Sends `signal` to the process group of `pid`; quiet when it is already gone. */
export function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, signal);
  } catch {
    // Already gone: that is what was wanted.
  }
}

function collect(stream: NodeJS.ReadableStream, maxBytes: number): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < maxBytes) chunks.push(chunk.subarray(0, maxBytes - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
