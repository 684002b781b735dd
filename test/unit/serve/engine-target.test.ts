import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { connectEngine } from '../../../src/serve/engine-target.ts';

test('no connection is used as often as llama-server closes one: a hundred times', async () => {
  const uses = new Map<Socket, number>();
  const server = createServer(({ socket }, response) => {
    uses.set(socket, (uses.get(socket) ?? 0) + 1);
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it has a port');
  const engine = connectEngine({ kind: 'port', port: address.port });
  onTestFinished(async () => {
    await engine.destroy();
    server.close();
  });
  for (let at = 0; at < 250; at += 1) {
    await (await engine.request({ path: '/', method: 'GET' })).body.dump();
  }
  expect(Math.max(...uses.values())).toBeLessThan(100);
  // And yet they are kept.
  expect(uses.size).toBeLessThan(10);
});
