import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { RunCommand, RunResult } from '../process/run.ts';
import { engineEnvironment } from './environment.ts';
import { readExecutableKind, whyNotRunnable } from './executable.ts';
import { parseDevices, parseFlags, parseVersion } from './parse.ts';
import type { EngineDevice } from './parse.ts';
import { readProbe, writeProbe } from './probe-cache.ts';

/** What a llama-server says about itself. */
export type EngineProbe = {
  readonly kind: 'engine';
  readonly path: string;
  readonly version: string | null;
  readonly build: number | null;
  /** Empty on a CPU-only engine, and on one whose GPU driver is missing. */
  readonly devices: readonly EngineDevice[];
  /** Every flag of `--help`, sorted: what the argv builder may emit. */
  readonly flags: readonly string[];
};

export type UnusableProbe = {
  readonly kind: 'unusable';
  readonly path: string;
  /** A clause that follows "`path` cannot be used: ". */
  readonly reason: string;
};

export type ProbeDeps = {
  readonly run: RunCommand;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  /** Node's name of the architecture. Default: this process's. */
  readonly arch?: string;
  /** Where probes are kept between commands; null keeps none. */
  readonly cacheFolder: string | null;
  readonly now: () => Date;
  readonly signal?: AbortSignal;
  /** For each of the three calls. CUDA needs seconds to start up on a machine with eight cards. */
  readonly timeoutMs?: number;
};

const TIMEOUT_MS = 20_000;
/** Flags that llama-server has and its sister programs, which print the same version, lack. */
const SERVER_FLAGS = ['--host', '--port'];

/**
 * Asks the llama-server at `path` for its version, devices and flags, or takes them from the cache
 * while the file is unchanged. Never throws: a program that cannot be used is an answer with a reason.
 */
export async function probeEngine(
  path: string,
  deps: ProbeDeps,
): Promise<EngineProbe | UnusableProbe> {
  const unusable = (reason: string): UnusableProbe => ({ kind: 'unusable', path, reason });
  const identity = await identify(path, deps);
  if (typeof identity === 'string') return unusable(identity);
  const cached = await readProbe(identity, deps);
  if (cached !== null) return cached;

  const ask = (args: readonly string[]) =>
    deps.run(path, args, {
      timeoutMs: deps.timeoutMs ?? TIMEOUT_MS,
      env: engineEnvironment(deps.env),
      ...(deps.signal === undefined ? {} : { signal: deps.signal }),
      maxBytes: 1024 * 1024,
    });
  const first = await ask(['--version']);
  const failure = whyFailed(first, deps.timeoutMs ?? TIMEOUT_MS);
  if (failure !== null) return unusable(failure);
  const version = parseVersion(`${first.stdout}\n${first.stderr}`);
  if (version === null) return unusable('it does not print the version of a llama.cpp program');

  const [help, list] = await Promise.all([ask(['--help']), ask(['--list-devices'])]);
  const flags = parseFlags(`${help.stdout}\n${help.stderr}`);
  if (!SERVER_FLAGS.every((flag) => flags.includes(flag))) {
    return unusable('it is a program of llama.cpp, but not llama-server');
  }
  const devices = parseDevices(`${list.stdout}\n${list.stderr}`);
  const probe: EngineProbe = { kind: 'engine', path, ...version, devices, flags };
  // A device list that did not come to its end must be asked for again next time.
  if (list.outcome === 'exited') await writeProbe(identity, probe, deps);
  return probe;
}

/** What must be unchanged for a cached probe to hold; a text when `path` cannot be run at all. */
async function identify(
  path: string,
  deps: ProbeDeps,
): Promise<{ path: string; stamp: string } | string> {
  try {
    const file = await stat(path);
    if (!file.isFile()) return 'it is not a file';
    if (deps.platform !== 'win32') await access(path, constants.X_OK);
    const kind = await readExecutableKind(path).catch(() => null);
    const why = kind && whyNotRunnable(kind, deps.platform, deps.arch ?? process.arch);
    if (why !== null) return why;
    // llama-server itself is a small launcher: a new backend beside it changes the folder's time.
    const folder = await stat(dirname(await realpath(path)));
    return { path, stamp: `${file.mtimeMs} ${file.size} ${folder.mtimeMs}` };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'there is no such file';
    if (code === 'EACCES') return 'it is not executable by this user (`chmod +x` it)';
    return `it cannot be read (${code ?? String(error)})`;
  }
}

const MISSING_LIBRARY = [
  /error while loading shared libraries: (\S+):/,
  /Library not loaded: (\S+)/,
  /(version `[^']+' not found)/,
];
/** STATUS_DLL_NOT_FOUND, as Windows reports it in the exit code. */
const DLL_NOT_FOUND = 0xc0000135;

function whyFailed(result: RunResult, timeoutMs: number): string | null {
  const missing = MISSING_LIBRARY.map((pattern) => pattern.exec(result.stderr)?.[1]).find(
    (name) => name !== undefined,
  );
  switch (result.outcome) {
    case 'timeout':
      return `it did not answer \`--version\` within ${timeoutMs / 1000} s`;
    case 'aborted':
      return 'the probe was interrupted';
    // The file was there a moment ago: what is missing is the loader that its header names.
    case 'not-found':
      return 'its loader (interpreter) is missing; an installed engine cannot be moved to another folder';
    case 'not-started':
      return 'the system refused to start it';
    case 'signalled':
      return 'it crashed on `--version`';
    case 'exited':
      break;
  }
  if (missing !== undefined) return `it lacks a library: ${missing}`;
  if (result.code === DLL_NOT_FOUND) return 'it lacks a DLL';
  if (result.code === 0) return null;
  const lastLine = result.stderr.trim().split('\n').at(-1) ?? '';
  return `\`--version\` failed with exit code ${result.code ?? 'none'}${lastLine === '' ? '' : `: ${lastLine}`}`;
}
