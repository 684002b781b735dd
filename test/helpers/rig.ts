import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';

/** What llama.cpp prints of one device, MiB: whole numbers for model and context. */
type MeasuredDevice = { weights: number; kvCache: number; compute: number };
export type Measured = {
  devices: MeasuredDevice[];
  /** The host's compute buffer. */
  hostCompute: number;
  /** Encoder weights and compute buffer on the first device; null without a projector. */
  encoder: number | null;
};

/** `ggml-rpc-server` of the same installation as `llamaServer`, or null. */
export function rpcServerOf(llamaServer: string): string | null {
  const bin = dirname(llamaServer);
  const libexec = join(bin, '../libexec');
  const triplets = existsSync(libexec) ? readdirSync(libexec) : [];
  const places = [
    join(bin, 'rpc-server'),
    join(bin, 'ggml-rpc-server'),
    ...triplets.map((triplet) => join(libexec, triplet, 'llama/bin/ggml-rpc-server')),
  ];
  return places.find((place) => existsSync(place)) ?? null;
}

/**
 * Asks llama-server how it would lay a model out on `gpus` stand-in devices, one ggml-rpc-server each.
 * It prints that before it loads anything, so sparse files do; it is stopped there.
 */
export async function measureLayout(
  engine: { llamaServer: string; rpcServer: string },
  gpus: number,
  args: readonly string[],
): Promise<Measured> {
  const ports = await Promise.all(Array.from({ length: gpus }, freePort));
  const stands = ports.map((port) =>
    spawn(engine.rpcServer, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' }),
  );
  try {
    await Promise.all(ports.map(listening));
    const rpc = ports.map((port) => `127.0.0.1:${port}`).join(',');
    const log = await firstLayout(engine.llamaServer, ['--rpc', rpc, ...args]);
    return parseLayout(log);
  } finally {
    for (const stand of stands) stand.kill('SIGKILL');
  }
}

function firstLayout(llamaServer: string, args: readonly string[]): Promise<string> {
  const child = spawn(llamaServer, [...args, '-lv', '5', '--port', '0', '--offline'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return new Promise((resolve, reject) => {
    let log = '';
    child.stderr.on('data', (data: Buffer) => {
      log += data.toString();
      if (log.includes('fitting params to free memory took')) child.kill('SIGKILL');
    });
    child.on('error', reject);
    child.on('close', () => {
      if (log.includes('memory breakdown [MiB]')) resolve(log);
      else reject(new Error(`no layout in the log:\n${tail(log)}`));
    });
  });
}

/** Only the first table and the buffers before it: later ones are probes of the fitting. */
function parseLayout(log: string): Measured {
  const table = log.slice(log.indexOf('memory breakdown [MiB]'));
  const rows = [...table.matchAll(/\|\s+- (\S+)[^\n]*?(\d+) = +(\d+) \+ +(\d+) \+ +(\d+)/g)];
  const hostRow = rows.findIndex(([, name]) => name === 'Host');
  const first = rows.slice(0, hostRow);
  const before = log.slice(0, log.indexOf('memory breakdown [MiB]'));
  const compute = [...before.matchAll(/sched_reserve: +(\S+) compute buffer size = +([\d.]+)/g)];
  const sizes = compute.map(([, name, size]) => ({ name: name ?? '', size: Number(size) }));
  const gpuCompute = sizes.filter(({ name }) => name !== 'CPU').map(({ size }) => size);
  const encoder = /adding ([\d.]+) MiB to fit_params_target for device (?!CPU)/.exec(log)?.[1];
  return {
    devices: first.map(([, , , weights, kvCache], index) => ({
      weights: Number(weights),
      kvCache: Number(kvCache),
      compute: gpuCompute[index] ?? Number.NaN,
    })),
    hostCompute: sizes.find(({ name }) => name === 'CPU')?.size ?? Number.NaN,
    encoder: encoder === undefined ? null : Number(encoder),
  };
}

const tail = (log: string) => log.split('\n').slice(-15).join('\n');

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

async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`nothing listens on port ${port}`);
}
