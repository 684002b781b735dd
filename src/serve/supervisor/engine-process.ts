import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { engineEnvironment } from '../../engine/environment.ts';
import { killGroup } from '../../process/run.ts';
import type { EngineTarget } from '../engine-target.ts';
import { outOfMemoryIn, type OutOfMemory } from '../out-of-memory.ts';
import { openEngineLog, type EngineLog } from './engine-log.ts';
import { guardedCommand, type OrphanGuard } from './orphan-guard.ts';
import type { ProcessEnd } from './start-failure.ts';

/** `port`: the engine takes a free port and prints it, which it does only once it has loaded. */
type EngineListen = { readonly kind: 'socket'; readonly path: string } | { readonly kind: 'port' };

export type EngineCommand = {
  readonly file: string;
  /** Without host and port: those are the supervisor's. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly listen: EngineListen;
  readonly guard: OrphanGuard;
  readonly logFile: string;
};

/** One life of the engine's process. */
export type EngineProcess = {
  readonly pid: number | undefined;
  readonly log: EngineLog;
  /** null until it is known (a port is known when the engine has printed it). */
  readonly target: () => EngineTarget | null;
  /** Milliseconds since the engine last printed anything. */
  readonly quietMs: () => number;
  /** Resolves once the process is gone (reaped), its group too, and its output is read. */
  readonly exited: Promise<ProcessEnd>;
  readonly end: () => ProcessEnd | null;
  /** Whose memory ran out in this life, by the log; null as long as none did. */
  readonly outOfMemory: () => OutOfMemory | null;
  readonly signalGroup: (signal: NodeJS.Signals) => void;
};

const LISTENING = /listening on http:\/\/[^\s:]+:(\d+)/;
const OUTPUT_GRACE_MS = 500;

/** Starts the engine in a process group of its own. Never throws: a failed spawn is an end. */
export function startEngineProcess(command: EngineCommand): EngineProcess {
  const { listen } = command;
  // llama-server never removes its socket, and exits 1 when it finds one.
  if (listen.kind === 'socket') rmSync(listen.path, { force: true });
  let target: EngineTarget | null = listen.kind === 'socket' ? listen : null;
  let lastOutput = performance.now();
  let end: ProcessEnd | null = null;
  let outOfMemory: OutOfMemory | null = null;
  const log = openEngineLog(command.logFile, (line) => {
    outOfMemory ??= outOfMemoryIn(line);
    if (listen.kind === 'port' && target === null) target = targetIn(line);
  });
  const child = spawnEngine(command);
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      lastOutput = performance.now();
      log.write(chunk);
    });
  }
  const exited = whenGone(child, log).then((how) => (end = how));
  return {
    pid: child.pid,
    log,
    target: () => target,
    quietMs: () => performance.now() - lastOutput,
    exited,
    end: () => end,
    outOfMemory: () => outOfMemory,
    signalGroup: (signal) => {
      if (end === null) killGroup(child.pid, signal);
    },
  };
}

function spawnEngine(command: EngineCommand): ChildProcess {
  const args = [...command.args, ...listenArgs(command.listen)];
  const guarded = guardedCommand(command.guard, command.file, args, process.pid);
  return spawn(guarded.file, guarded.args, {
    detached: process.platform !== 'win32',
    env: engineEnvironment(command.env),
    stdio: [guarded.stdin, 'pipe', 'pipe'],
    windowsHide: true,
  });
}

/** Resolves when the process is reaped, whatever it has forked is killed, and its output is read. */
function whenGone(child: ChildProcess, log: EngineLog): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    const finish = (how: ProcessEnd) => {
      child.stdin?.destroy();
      child.stdout?.destroy();
      child.stderr?.destroy();
      log.close();
      resolve(how);
    };
    child.stdin?.on('error', () => undefined);
    child.on('error', (error) => {
      if (child.pid !== undefined) return;
      log.write(Buffer.from(`cannot run ${child.spawnfile}: ${error.message}\n`));
      finish({ code: 127, signal: null });
    });
    child.on('exit', (code, signal) => {
      killGroup(child.pid, 'SIGKILL');
      // A process that left the group can still hold the pipes: 'close' may never come.
      const timer = setTimeout(() => finish({ code, signal }), OUTPUT_GRACE_MS);
      child.once('close', () => {
        clearTimeout(timer);
        finish({ code, signal });
      });
    });
  });
}

function listenArgs(listen: EngineListen): readonly string[] {
  return listen.kind === 'socket'
    ? ['--host', listen.path]
    : ['--host', '127.0.0.1', '--port', '0'];
}

function targetIn(line: string): EngineTarget | null {
  const port = Number(LISTENING.exec(line)?.[1]);
  return Number.isInteger(port) && port > 0 ? { kind: 'port', port } : null;
}
