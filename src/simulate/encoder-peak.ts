import { MmdeployError } from '../errors.ts';
import type { OrphanGuard } from '../serve/supervisor/orphan-guard.ts';
import { startChild } from './child.ts';
import { standInArgs } from './engine-layout.ts';
import { LOADED_AT } from './load-log.ts';
import { ENCODING, parsePeak } from './peak-log.ts';
import type { EncoderBuffers } from './peak-log.ts';
import { NO_STAND_INS, startStandIns } from './stand-ins.ts';

export type PeakRun = {
  readonly llamaServer: string;
  /** Null: the encoder stays on the CPU. */
  readonly rpcServer: string | null;
  /** The engine has real GPUs, which are to take no part. */
  readonly hasDevices: boolean;
  /** llama-server's, without address and devices; files may be written while the stand-in starts. */
  readonly args: () => Promise<readonly string[]>;
  /** The picture that is sent, as `data:` URL. */
  readonly picture: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly guard: OrphanGuard;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
};

/**
 * Loads an encoder on one stand-in GPU, sends it a picture and reads the buffers that llama-server makes
 * for it; the engine is killed before it computes anything. Throws `engine.start` with the end of its log
 * when it does not get there, `interrupted`; no process is left either way.
 */
export async function encoderPeak(run: PeakRun): Promise<EncoderBuffers> {
  const { rpcServer, env, guard } = run;
  const signal = AbortSignal.any([run.signal, AbortSignal.timeout(run.timeoutMs)]);
  const args = run.args();
  // Awaited below; should the stand-in fail first, that is what is told.
  args.catch(() => undefined);
  const stands =
    rpcServer === null
      ? NO_STAND_INS
      : await startStandIns({ file: rpcServer, env, guard }, 1, signal);
  try {
    const devices = standInArgs(stands.ports, run.hasDevices);
    const log = await logUpToEncoding(run, [...devices, ...(await args)], signal);
    const buffers = parsePeak(log, rpcServer !== null);
    if (buffers !== null && ENCODING.test(log)) return buffers;
    if (run.signal.aborted) throw new MmdeployError('interrupted', 'interrupted');
    throw new MmdeployError('engine.start', `${run.llamaServer} did not take the largest image`, {
      details: log.trim().split('\n').slice(-8),
    });
  } finally {
    await stands.stop();
  }
}

async function logUpToEncoding(
  run: PeakRun,
  given: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  let log = '';
  let asked = false;
  let complete: () => void = () => undefined;
  const seen = new Promise<void>((resolve) => {
    complete = resolve;
  });
  const listen = ['--offline', '--host', '127.0.0.1', '--port', '0', '--verbosity', '5'];
  const child = startChild(
    { file: run.llamaServer, args: [...given, ...listen], env: run.env, guard: run.guard },
    (text) => {
      log += text;
      const news = log.slice(-text.length - LONGEST_LINE);
      const address = asked ? undefined : LOADED_AT.exec(news)?.[1];
      if (address !== undefined) {
        asked = true;
        // The answer never comes: the engine is stopped as soon as it has the picture.
        ask(address, run.picture, signal).then(complete, () => undefined);
      }
      if (ENCODING.test(news)) complete();
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

/** A line that two pieces of output share is found in the second. */
const LONGEST_LINE = 200;

async function ask(address: string, url: string, signal: AbortSignal): Promise<void> {
  const content = [{ type: 'image_url', image_url: { url } }];
  const body = JSON.stringify({ max_tokens: 1, messages: [{ role: 'user', content }] });
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${address}/v1/chat/completions`, {
    ...{ method: 'POST', headers, body, signal },
  });
  await response.arrayBuffer();
}
