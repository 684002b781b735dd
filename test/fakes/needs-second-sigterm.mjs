#!/usr/bin/env node
// Like llama-server with an open request: the first SIGTERM is only noted, the second exits 1.
import { log, serve } from './engine.mjs';

let count = 0;
const server = serve();
process.on('SIGTERM', () => {
  log(`SIGTERM ${(count += 1)}`);
  if (count < 2) return;
  process.exitCode = 1;
  server.closeAllConnections();
  server.close();
});
