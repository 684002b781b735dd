import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { MmdeployError } from '../errors.ts';
import type { OrphanGuard } from '../serve/supervisor/orphan-guard.ts';
import { startChild } from './child.ts';
import type { Child } from './child.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** What there is without an engine that answers. */
export const ANALYTIC_HINT =
  'the plan by the formulas needs no engine: leave `--simulate` out, or see `mmdeploy engine list`';

export type StandIns = {
  readonly ports: readonly number[];
  readonly stop: () => Promise<void>;
};

export const NO_STAND_INS: StandIns = { ports: [], stop: () => Promise.resolve() };

const START_TIMEOUT_MS = 10_000;
const POLL_MS = 10;
/** A probed port can be taken before the program gets to it. */
const TRIES = 3;

/**
 * Starts `count` stand-in GPUs: one `ggml-rpc-server` each, on a free port of the loopback interface
 * (it serves one client at a time, so each run has its own). Throws `engine.start` when one does not
 * come up, `interrupted`; none is left running then.
 */
export async function startStandIns(
  program: { readonly file: string; readonly env: Env; readonly guard: OrphanGuard },
  count: number,
  signal: AbortSignal,
): Promise<StandIns> {
  const children: Child[] = [];
  const stop = async () => {
    await Promise.all(children.map((child) => child.kill()));
  };
  const startOne = async (): Promise<number> => {
    let said = '';
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const port = await freePort();
      const args = ['-H', '127.0.0.1', '-p', String(port)];
      const child = startChild({ ...program, args }, (text) => {
        said = (said + text).slice(-2000);
      });
      children.push(child);
      if (await listens(child, port, signal)) return port;
      if (signal.aborted) throw new MmdeployError('interrupted', 'interrupted');
    }
    throw new MmdeployError('engine.start', `${program.file} did not start`, {
      details: said.trim().split('\n').slice(-3),
      hints: [ANALYTIC_HINT],
    });
  };
  const started = await Promise.allSettled(Array.from({ length: count }, startOne));
  const failed = started.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  const ports = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  return { ports, stop };
}

/** Waits until the program accepts connections; false when it ended, or did not within the time. */
async function listens(child: Child, port: number, signal: AbortSignal): Promise<boolean> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!child.isGone() && !signal.aborted && Date.now() < deadline) {
    if (await accepts(port)) return !child.isGone();
    await delay(POLL_MS);
  }
  return false;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}
