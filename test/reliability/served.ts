import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

/** `mmdeploy serve` as a process of its own, seen from outside: what an operator sees. */
export type Served = {
  readonly url: string;
  readonly pid: number;
  /** The engine's process now; undefined between two of its lives. */
  readonly enginePid: () => number | undefined;
  /** What it has printed. */
  readonly notices: () => string;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Its exit code, or the signal it died by. */
  readonly ended: Promise<number | string>;
  /** SIGTERM, and SIGKILL when that does not do. */
  readonly stop: () => Promise<void>;
};

export type ServeCommand = {
  /** `node` with the program's file, or a wrapper in front of it. */
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
};

const READY_MS = 60_000;
const STOP_MS = 20_000;

/** Starts a server and returns once it has printed its address; throws what it printed otherwise. */
export async function startServed({ command, args, env }: ServeCommand): Promise<Served> {
  const [file = '', ...before] = command;
  const child = spawn(file, [...before, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (printed = (printed + chunk.toString()).slice(-100_000)));
  }
  const ended = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  const url = await until(() => {
    const found = /ready in .* at (http:\/\/\S+)/.exec(printed)?.[1];
    if (found === undefined && (child.exitCode ?? child.signalCode) !== null) {
      throw new Error(`the server ended before it was ready:\n${printed}`);
    }
    return found;
  }, READY_MS);
  const pid = child.pid ?? 0;
  return {
    url,
    pid,
    enginePid: () => childOf(pid),
    notices: () => printed,
    signal: (signal) => void child.kill(signal),
    ended,
    stop: () => stop(child, ended),
  };
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}

/** Polls until `read` gives something; throws after `limitMs`. */
export async function until<T>(read: () => T | undefined, limitMs: number): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const value = read();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`nothing within ${limitMs} ms`);
    await delay(5);
  }
}

/** First child of a process that runs and is a server: it listens, workers do not. Linux only. */
function childOf(pid: number): number | undefined {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = statOf(Number(entry));
    if (stat?.parent !== pid || stat.state === 'Z' || stat.state === 'X') continue;
    if (commandLine(Number(entry)).includes('--host')) return Number(entry);
  }
  return undefined;
}

/** Whether a process runs; a zombie counts as gone. Linux only. */
export function isRunning(pid: number): boolean {
  const stat = statOf(pid);
  return stat !== null && stat.state !== 'Z' && stat.state !== 'X';
}

/** Resident memory of a process in MiB. Linux only. */
export function residentMib(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(`${pid}/status`));
  return Number(line?.[1] ?? 0) / 1024;
}

function statOf(pid: number): { state: string; parent: number } | null {
  const text = readProc(`${pid}/stat`);
  // pid (name) state parent …; the name may hold anything.
  const [state, parent] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return text === '' ? null : { state: state ?? '', parent: Number(parent) };
}

function commandLine(pid: number): readonly string[] {
  return readProc(`${pid}/cmdline`).split('\0');
}

function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return '';
  }
}
