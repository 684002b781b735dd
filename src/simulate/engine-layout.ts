import { MmdeployError } from '../errors.ts';
import type { OrphanGuard } from '../serve/supervisor/orphan-guard.ts';
import { startChild } from './child.ts';
import { LAYOUT_END, parseLayout } from './layout-log.ts';
import type { EngineLayout } from './layout-log.ts';
import { ANALYTIC_HINT, NO_STAND_INS, startStandIns } from './stand-ins.ts';

export type LayoutRun = {
  readonly llamaServer: string;
  /** Null only without GPUs. */
  readonly rpcServer: string | null;
  readonly gpus: number;
  /** The engine has real GPUs, which are to take no part. */
  readonly hasDevices: boolean;
  /** llama-server's, without address, devices and fitting; files may be written while GPUs start. */
  readonly args: () => Promise<readonly string[]>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly guard: OrphanGuard;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
};

/**
 * Asks llama-server how it would lay a model out on `gpus` stand-in GPUs. It prints that before it loads
 * anything, so files with holes for weights do, and it is killed there. Throws `engine.start` with the
 * end of its log when it prints none, `interrupted`; no process is left either way.
 */
export async function engineLayout(run: LayoutRun): Promise<EngineLayout> {
  const { rpcServer, gpus, env, guard } = run;
  const signal = AbortSignal.any([run.signal, AbortSignal.timeout(run.timeoutMs)]);
  const args = run.args();
  // Awaited below; should a stand-in fail first, that is what is told.
  args.catch(() => undefined);
  const stands =
    rpcServer === null || gpus === 0
      ? NO_STAND_INS
      : await startStandIns({ file: rpcServer, env, guard }, gpus, signal);
  try {
    const devices = standInArgs(stands.ports, run.hasDevices);
    const log = await logUpToLayout(run, [...devices, ...(await args)], signal);
    const layout = parseLayout(log, stands.ports);
    if (layout !== null) return layout;
    if (run.signal.aborted) throw new MmdeployError('interrupted', 'interrupted');
    throw new MmdeployError('engine.start', `${run.llamaServer} did not print a memory layout`, {
      details: log.trim().split('\n').slice(-8),
      hints: [ANALYTIC_HINT],
    });
  } finally {
    await stands.stop();
  }
}

/** llama-server's for stand-ins on these ports. `--rpc` comes first: only then does `--device` know the names. */
export function standInArgs(ports: readonly number[], hasDevices: boolean): string[] {
  if (ports.length === 0) return ['--device', 'none', '--no-mmproj-offload'];
  const servers = ports.map((port) => `127.0.0.1:${port}`).join(',');
  const names = ports.map((_, index) => `RPC${index}`).join(',');
  return ['--rpc', servers, ...(hasDevices ? ['--device', names] : [])];
}

async function logUpToLayout(
  run: LayoutRun,
  given: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  let log = '';
  let complete: () => void = () => undefined;
  const seen = new Promise<void>((resolve) => {
    complete = resolve;
  });
  const args = [...given, '--offline', '--port', '0', '--verbosity', '5'];
  const child = startChild(
    { file: run.llamaServer, args, env: run.env, guard: run.guard },
    (text) => {
      log += text;
      // Searched in the last piece and a little before it: the log is long.
      if (log.includes(LAYOUT_END, log.length - text.length - LAYOUT_END.length)) complete();
    },
  );
  signal.addEventListener('abort', complete, { once: true });
  try {
    if (!signal.aborted) await Promise.race([seen, child.gone]);
    return log;
  } finally {
    signal.removeEventListener('abort', complete);
    await child.kill();
  }
}
