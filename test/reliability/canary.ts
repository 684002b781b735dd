import { createServer, type Server } from 'node:net';

/** A listener that nobody may reach: it counts who does. */
export type Canary = {
  readonly port: number;
  readonly reached: () => number;
  readonly close: () => Promise<void>;
};

/** Listens on every address of this machine, IPv4 and IPv6 where there is one. */
export async function openCanary(): Promise<Canary> {
  let reached = 0;
  const server = createServer((socket) => {
    reached += 1;
    socket.end('HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 0\r\n\r\n');
  });
  await listen(server, '::').catch(() => listen(server, '0.0.0.0'));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    reached: () => reached,
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

function listen(server: Server, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: 0 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
