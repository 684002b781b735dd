import { setMaxListeners } from 'node:events';
import { readFile, readdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { Probe } from '../contracts/machine.ts';
import type { RunCommand, RunResult } from '../process/run.ts';
import { findProgram } from './locate.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** What detection may touch; everything but `run`, `env` and `platform` has a real default. */
export type HostOptions = {
  readonly run: RunCommand;
  readonly env: Env;
  readonly platform: NodeJS.Platform;
  /** Whole file as text; null when it cannot be read. */
  readonly readText?: (path: string) => Promise<string | null>;
  /** Names in a folder; empty when it cannot be read. */
  readonly listFolder?: (path: string) => Promise<readonly string[]>;
  /** Full path of a program, on PATH first and then in `folders`; null when there is none. */
  readonly find?: (name: string, folders: readonly string[]) => Promise<string | null>;
  /** Cores that this process may be scheduled on. */
  readonly parallelism?: () => number;
  readonly signal?: AbortSignal;
  /** The longest that any one tool may take. */
  readonly toolTimeoutMs?: number;
};

/** The machine as a probe sees it. */
export type Host = {
  readonly env: Env;
  readonly platform: NodeJS.Platform;
  readonly run: (
    file: string,
    args: readonly string[],
    extraEnv?: Readonly<Record<string, string>>,
  ) => Promise<RunResult>;
  readonly readText: (path: string) => Promise<string | null>;
  readonly listFolder: (path: string) => Promise<readonly string[]>;
  readonly find: (name: string, folders?: readonly string[]) => Promise<string | null>;
  readonly parallelism: () => number;
};

/** Long enough for eight GPUs without persistence mode (about a second each). */
const TOOL_TIMEOUT_MS = 8_000;
/** How long after its kill a tool is still waited for. */
const KILL_GRACE_MS = 500;

/** Binds the options: every command gets plain English output, a time-out and the abort signal. */
export function makeHost(options: HostOptions): Host {
  const timeoutMs = options.toolTimeoutMs ?? TOOL_TIMEOUT_MS;
  // LANGUAGE outranks LC_ALL in gettext programs.
  const env = { ...options.env, LC_ALL: 'C', LANGUAGE: 'C' };
  const signal = options.signal === undefined ? undefined : shared(options.signal);
  return {
    env: options.env,
    platform: options.platform,
    run: (file, args, extraEnv) =>
      within(
        options.run(file, args, {
          timeoutMs,
          env: { ...env, ...extraEnv },
          ...(signal === undefined ? {} : { signal }),
        }),
        timeoutMs,
        signal,
      ),
    readText: options.readText ?? ((path) => readFile(path, 'utf8').catch(() => null)),
    listFolder: options.listFolder ?? ((path) => readdir(path).catch(() => [])),
    find: (name, folders = []) =>
      options.find === undefined
        ? findProgram(name, { env: options.env, platform: options.platform, folders })
        : options.find(name, folders),
    parallelism: options.parallelism ?? availableParallelism,
  };
}

/** A signal of our own that all tools may listen to at once; Node warns at the eleventh listener. */
function shared(signal: AbortSignal): AbortSignal {
  const own = AbortSignal.any([signal]);
  setMaxListeners(0, own);
  return own;
}

/**
 * A process that waits for a hung kernel driver cannot be killed until the driver answers, so its end
 * may never be seen: some time after the time-out or the abort we answer for it.
 */
async function within(
  running: Promise<RunResult>,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<RunResult> {
  const timers: NodeJS.Timeout[] = [];
  const lost = (outcome: RunResult['outcome']): RunResult => ({
    code: null,
    stdout: '',
    stderr: '',
    outcome,
  });
  let onAbort: () => void = () => undefined;
  const limit = new Promise<RunResult>((resolve) => {
    const answerIn = (ms: number, outcome: RunResult['outcome']): void => {
      timers.push(setTimeout(() => resolve(lost(outcome)), ms));
    };
    onAbort = () => answerIn(KILL_GRACE_MS, 'aborted');
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    answerIn(timeoutMs + KILL_GRACE_MS, 'timeout');
  });
  try {
    return await Promise.race([running, limit]);
  } finally {
    timers.forEach((timer) => clearTimeout(timer));
    signal?.removeEventListener('abort', onAbort);
  }
}

/** What a run says about the tool itself, whatever it printed. */
export function statusOf(result: RunResult): Probe['status'] {
  if (result.outcome === 'not-found') return 'missing';
  if (result.outcome === 'timeout' || result.outcome === 'aborted') return 'timeout';
  return result.outcome === 'exited' && result.code === 0 ? 'ok' : 'failed';
}

/** The first lines in which a tool says what is wrong: stderr, else stdout, one line, cut at 300. */
export function complaintOf(result: RunResult): string {
  const text = (result.stderr.trim() === '' ? result.stdout : result.stderr).trim();
  const line = text.replace(/\s+/g, ' ').slice(0, 300);
  if (line !== '') return line;
  if (result.outcome === 'timeout' || result.outcome === 'aborted') return 'it did not answer';
  return result.code === null ? `it ${result.outcome}` : `exit code ${result.code}, no message`;
}
