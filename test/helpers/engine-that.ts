import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { Pool } from 'undici';
import { onTestFinished } from 'vitest';

/** Connections to an engine that does nothing but `answer`; gone when the test is over. */
export async function engineThat(answer: RequestListener, connections = 8): Promise<Pool> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections });
  onTestFinished(async () => {
    await pool.destroy();
    server.closeAllConnections();
    server.close();
  });
  return pool;
}
