import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'undici';
import { expect, test } from 'vitest';
import { exchange } from '../../../src/serve/gateway/engine-exchange.ts';
import { engineThat } from '../../helpers/engine-that.ts';

const POST = {
  path: '/',
  method: 'POST',
  body: '{"a":1}',
  accept: 'application/json',
  streams: false,
} as const;
const EVENTS = { 'content-type': 'text/event-stream' };
const never = () => new AbortController().signal;

async function streamOf(pool: Pool, signal = never()) {
  const answer = await exchange(pool, POST, signal);
  if (answer.kind !== 'events') throw new Error('no stream');
  return answer.chunks;
}

/** Node 20 has no `Promise.withResolvers`. */
function resolvers<Value>() {
  let resolve: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((settle) => (resolve = settle));
  return { promise, resolve };
}

test('a document in several pieces is whole, with its status and type', async () => {
  const pool = await engineThat((request, response) => {
    request.resume();
    response.writeHead(404, { 'content-type': 'text/plain' });
    response.write('no ');
    setImmediate(() => response.end('such page'));
  });
  expect(await exchange(pool, POST, never())).toEqual({
    kind: 'whole',
    status: 404,
    type: 'text/plain',
    bytes: Buffer.from('no such page'),
  });
});

test('the body, and what the client takes, reach the engine', async () => {
  const pool = await engineThat((request, response) => {
    const seen: Buffer[] = [];
    request.on('data', (chunk: Buffer) => seen.push(chunk));
    request.on('end', () => {
      response.end(`${request.headers.accept} ${Buffer.concat(seen).toString()}`);
    });
  });
  const answer = await exchange(pool, { ...POST, accept: 'text/x' }, never());
  expect(answer.kind === 'whole' && answer.bytes.toString()).toBe('text/x {"a":1}');
});

test('pieces of a stream come before the error that ends it', async () => {
  const pool = await engineThat((_request, response) => {
    response.writeHead(200, EVENTS);
    response.write('data: 1\n\n', () => response.destroy());
  });
  const chunks = await streamOf(pool);
  expect(String((await chunks.next()).value)).toBe('data: 1\n\n');
  await expect(chunks.next()).rejects.toThrow();
});

test('what comes after a stream is not sent on the connection that its engine is about to close', async () => {
  const spent = new WeakSet<Socket>();
  const pool = await engineThat((request, response) => {
    if (spent.has(request.socket)) return void request.socket.destroy();
    spent.add(request.socket);
    request.resume();
    response.writeHead(200, EVENTS).end('data: 1\n\n');
  });
  for (let at = 0; at < 10; at++) {
    const answer = await exchange(pool, { ...POST, streams: true }, never());
    if (answer.kind !== 'events') throw new Error('no stream');
    for await (const chunk of answer.chunks) expect(String(chunk)).toBe('data: 1\n\n');
  }
});

test('connections of documents are used again', async () => {
  const sockets = new Set<Socket>();
  const pool = await engineThat((request, response) => {
    sockets.add(request.socket);
    request.resume();
    response.end('{}');
  });
  for (let at = 0; at < 10; at++) await exchange(pool, POST, never());
  expect(sockets.size).toBeLessThan(5);
});

test('an engine that goes before its answer is an error', async () => {
  const pool = await engineThat((request) => request.socket.destroy());
  await expect(exchange(pool, POST, never())).rejects.toThrow();
});

test('an engine that goes within a document is an error, not half a document', async () => {
  const pool = await engineThat((_request, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half', () => response.destroy());
  });
  await expect(exchange(pool, POST, never())).rejects.toThrow();
});

test('a client that reads slowly holds the engine back, and gets every byte', async () => {
  const total = 64 * 2 ** 20;
  const block = Buffer.alloc(65_536, 'x');
  let written = 0;
  const pool = await engineThat((_request, response) => {
    response.writeHead(200, EVENTS);
    const write = (): void => {
      while (written < total) {
        written += block.length;
        if (!response.write(block)) return void response.once('drain', write);
      }
      response.end();
    };
    write();
  });
  const chunks = await streamOf(pool);
  let read = Buffer.byteLength((await chunks.next()).value ?? '');
  // The engine writes until the connection is full: when no more comes for a while it is.
  for (let before = -1; before !== written;) {
    before = written;
    await delay(100);
  }
  expect(written).toBeLessThan(total / 2);
  for await (const chunk of chunks) read += chunk.length;
  expect(read).toBe(total);
});

test('ended before it is sent, it never is', async () => {
  let requests = 0;
  const pool = await engineThat((_request, response) => {
    requests += 1;
    response.end();
  });
  const reason = new Error('enough');
  await expect(exchange(pool, POST, AbortSignal.abort(reason))).rejects.toBe(reason);
  await exchange(pool, POST, never());
  expect(requests).toBe(1);
});

test('ended while it waits for a connection, it is never sent', async () => {
  let requests = 0;
  const arrived = resolvers<ServerResponse>();
  const pool = await engineThat((_request, response) => {
    requests += 1;
    if (requests === 1) arrived.resolve(response);
    else response.end();
  }, 1);
  const first = exchange(pool, POST, never());
  const busy = await arrived.promise;
  const controller = new AbortController();
  const second = exchange(pool, POST, controller.signal);
  controller.abort(new Error('enough'));
  await expect(second).rejects.toThrow('enough');
  busy.end('{}');
  await first;
  await exchange(pool, POST, never());
  expect(requests).toBe(2);
});

test.each(['before the answer', 'within the stream'])(
  'ended %s, the reason is the error and the engine is let go',
  async (when) => {
    const arrived = resolvers<undefined>();
    const closed = resolvers<unknown>();
    const pool = await engineThat((_request, response) => {
      response.once('close', closed.resolve);
      if (when === 'within the stream') response.writeHead(200, EVENTS).write('data: 1\n\n');
      arrived.resolve(undefined);
    });
    const controller = new AbortController();
    const reason = new Error('enough');
    if (when === 'within the stream') {
      const chunks = await streamOf(pool, controller.signal);
      await chunks.next();
      controller.abort(reason);
      await expect(chunks.next()).rejects.toBe(reason);
    } else {
      const answer = exchange(pool, POST, controller.signal);
      await arrived.promise;
      controller.abort(reason);
      await expect(answer).rejects.toBe(reason);
    }
    await closed.promise;
  },
);

test('a stream that is left early is ended at the engine', async () => {
  const closed = resolvers<unknown>();
  const pool = await engineThat((_request, response) => {
    response.once('close', closed.resolve);
    response.writeHead(200, EVENTS).write('data: 1\n\n');
  });
  const chunks = await streamOf(pool);
  await chunks.next();
  await chunks.return();
  await closed.promise;
});
