import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { MmdeployError } from '../errors.ts';
import type { OrphanGuard } from '../serve/supervisor/orphan-guard.ts';
import { startChild } from './child.ts';
import { LOADED } from './load-log.ts';

export type RealLoad = {
  readonly llamaServer: string;
  /** llama-server's, without an address. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly guard: OrphanGuard;
  readonly signal: AbortSignal;
  /** Given up when nothing was printed for so long: a large model on a slow disk may take its time. */
  readonly silenceMs: number;
  /** The engine's `--verbosity`; 5, which names every buffer, where it is left out. */
  readonly verbosity?: number;
};

export type Loaded = {
  readonly log: string;
  /** Resident memory of the engine, bytes; null where the system does not tell. */
  readonly residentBytes: number | null;
};

const POLL_MS = 50;

/**
 * Loads a model for good, calls `whileLoaded` with the process and the log so far, and stops the engine. Throws `engine.start` with the end
 * of the log when it ends or falls silent before, `interrupted`; no process is left either way.
 */
export async function realLoad<Seen>(
  load: RealLoad,
  whileLoaded: (pid: number | undefined, log: string) => Promise<Seen>,
): Promise<Loaded & { readonly seen: Seen }> {
  let log = '';
  let ready = false;
  let lastOutput = performance.now();
  const args = [...load.args, '--offline', '--host', '127.0.0.1', '--port', '0'];
  const child = startChild(
    {
      ...load,
      file: load.llamaServer,
      args: [...args, '--verbosity', String(load.verbosity ?? 5)],
    },
    (text) => {
      lastOutput = performance.now();
      ready ||= LOADED.test(log.slice(-200) + text);
      log += text;
    },
  );
  try {
    while (!ready) {
      if (load.signal.aborted) throw new MmdeployError('interrupted', 'interrupted');
      const silent = performance.now() - lastOutput > load.silenceMs;
      if (child.isGone() || silent) throw notLoaded(load, log, silent);
      await Promise.race([child.gone, delay(POLL_MS)]);
    }
    const seen = await whileLoaded(child.pid, log);
    return { log, residentBytes: await residentBytes(child.pid), seen };
  } finally {
    await child.kill();
  }
}

function notLoaded({ llamaServer, silenceMs }: RealLoad, log: string, silent: boolean) {
  const why = silent ? `printed nothing for ${silenceMs / 1000} s` : 'ended';
  return new MmdeployError('engine.start', `${llamaServer} ${why} before the model was loaded`, {
    details: log.trim().split('\n').slice(-8),
    hints: ['`mmdeploy plan MODEL --simulate` tells the layout without loading'],
  });
}

async function residentBytes(pid: number | undefined): Promise<number | null> {
  const status = await readFile(`/proc/${pid ?? 'none'}/status`, 'utf8').catch(() => '');
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib === undefined ? null : Number(kib) * 1024;
}
