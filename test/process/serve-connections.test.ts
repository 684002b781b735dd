import { createServer, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { connectEngine } from '../../src/serve/engine-target.ts';
import { DEFAULT_CONNECTION_LIMITS } from '../../src/serve/gateway/connection-limits.ts';
import type { EngineSource } from '../../src/serve/seams.ts';
import { chatBody, deadEngine, openGateway, serveFake } from '../helpers/serve-gateway.ts';
import { ask, textChat } from '../reliability/asking.ts';
import { dripFeed, openHalf } from '../reliability/connections.ts';

const UNTIL = { timeout: 10_000, interval: 10 };
const CHAT = '/v1/chat/completions';
const limits = (some: Partial<typeof DEFAULT_CONNECTION_LIMITS>) => ({
  connections: { ...DEFAULT_CONNECTION_LIMITS, ...some },
});

/** An engine in this process whose chat answers are what `onChat` writes. */
async function engineOf(onChat: (response: ServerResponse) => void): Promise<EngineSource> {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => onChat(response));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.address();
  const engine = connectEngine({
    kind: 'port',
    port: typeof address === 'object' && address !== null ? address.port : 0,
  });
  onTestFinished(async () => {
    await engine.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { ...deadEngine(true), engine };
}

describe('requests that never end', () => {
  test.each([
    ['head', { headMs: 200 }],
    ['body', { headMs: 200, requestMs: 400 }],
  ] as const)('a %s that drips is cut with 408', async (part, some) => {
    const { url } = await openGateway(deadEngine(true), limits(some));
    const { status } = await dripFeed(url, part, { everyMs: 20, limitMs: 10_000 });
    expect(status).toBe(408);
  });

  test('beyond the cap a connection is closed, and served again once there is room', async () => {
    const { url } = await serveFake('well-behaved', limits({ maxConnections: 10 }));
    const held = await openHalf(url, 10);
    expect((await ask(url, textChat('hi'))).fate).toBe('lost');
    held.release();
    await vi.waitFor(async () => {
      expect((await ask(url, textChat('hi'))).fate).toBe('answered');
    }, UNTIL);
  });
});

describe('clients that do not read', () => {
  test("an answer nobody takes is ended, and the engine's work with it", async () => {
    let closed = false;
    const event = `data: ${JSON.stringify({ filler: 'x'.repeat(60_000) })}\n\n`;
    const engine = await engineOf((response) => {
      response.on('close', () => (closed = true));
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const more = () => {
        while (!closed && response.write(event));
        response.once('drain', more);
      };
      more();
    });
    const { url } = await openGateway(engine, limits({ stalledMs: 100 }));
    const { body } = chatBody({ stream: true });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.pause();
    socket.write(
      `POST ${CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await vi.waitFor(() => expect(closed).toBe(true), UNTIL);
  });

  test('a quiet engine is no stalled client', async () => {
    const engine = await engineOf((response) => {
      const start = performance.now();
      const timer = setInterval(() => {
        if (performance.now() - start < 300) return;
        clearInterval(timer);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"late":true}');
      }, 10);
    });
    const { url } = await openGateway(engine, limits({ stalledMs: 50 }));
    const response = await fetch(url + CHAT, chatBody());
    expect(await response.json()).toEqual({ late: true });
  });
});
