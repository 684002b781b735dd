import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { ask, longChat, textChat, type Asked } from './asking.ts';

/** Requests that never end: headers that stop, and bodies that come one byte at a time. */
export type HalfOpen = {
  readonly opened: number;
  /** Those that the server has closed again. */
  readonly closed: () => number;
  /** Those it would not accept, or reset at once. */
  readonly refused: () => number;
  readonly release: () => void;
};

const HEAD = 'POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n';
const BODY_HEAD = `${HEAD}content-type: application/json\r\ncontent-length: 100000\r\n\r\n{"model":`;

/** Opens `count` connections that each begin a request and go no further, half in its head, half in its body. */
export async function openHalf(url: string, count: number): Promise<HalfOpen> {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  const ends = { closed: 0, refused: 0 };
  for (let index = 0; index < count; index++) {
    const socket = connect(Number(port), hostname);
    sockets.push(socket);
    const start = index % 2 === 0 ? HEAD : BODY_HEAD;
    await new Promise<void>((resolve) => {
      socket.once('connect', () => {
        socket.write(start);
        resolve();
      });
      socket.on('error', () => {
        ends.refused += 1;
        resolve();
      });
      socket.on('close', () => (ends.closed += 1));
      socket.resume();
    });
  }
  return {
    opened: count,
    closed: () => ends.closed,
    refused: () => ends.refused,
    release: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Good requests one after another; their latencies are what bad neighbours must not change. */
export async function goodRequests(url: string, count: number): Promise<Asked[]> {
  const asked: Asked[] = [];
  for (let index = 0; index < count; index++) {
    asked.push(await ask(url, textChat(`good request ${index}`)));
  }
  return asked;
}

export type Loris = { readonly cutAfterMs: number | null; readonly status: number | null };

/** One request whose header (`head`) or body comes at a byte every `everyMs`; how long it is let. */
export async function dripFeed(
  url: string,
  part: 'head' | 'body',
  { everyMs, limitMs }: { everyMs: number; limitMs: number },
): Promise<Loris> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const start = performance.now();
  const seen: { status: number | null; cutAfterMs: number | null } = {
    status: null,
    cutAfterMs: null,
  };
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    seen.status = Number(/^HTTP\/1\.1 (\d+)/.exec(chunk.toString('latin1'))?.[1] ?? 0);
    seen.cutAfterMs ??= performance.now() - start;
  });
  socket.on('close', () => (seen.cutAfterMs ??= performance.now() - start));
  socket.write(part === 'head' ? `${HEAD}x-slow: ` : BODY_HEAD);
  while (seen.cutAfterMs === null && performance.now() - start < limitMs) {
    socket.write('a');
    await delay(everyMs);
  }
  socket.destroy();
  return seen;
}

/** A client that asks for a long stream and then does not read: it must cost neither others nor memory. */
export function openSlowReader(url: string): { readonly close: () => void } {
  const { hostname, port } = new URL(url);
  const body = JSON.stringify(longChat('a long one', 3000, { stream: true }));
  const head = `${HEAD}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  const socket = connect(Number(port), hostname);
  socket.pause();
  socket.on('error', () => undefined);
  socket.write(head + body);
  return { close: () => socket.destroy() };
}

/** A client that hangs up `afterMs` into its request. */
export async function hangUp(url: string, body: object, afterMs: number): Promise<void> {
  const { hostname, port } = new URL(url);
  const text = JSON.stringify(body);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  socket.resume();
  const head = `${HEAD}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n`;
  socket.write(head + text);
  await delay(afterMs);
  socket.destroy();
}
