#!/usr/bin/env node
// Logs its arguments, its environment and the headers of each chat.
import { log, serve } from './engine.mjs';

log(JSON.stringify([process.argv, process.env]));
const server = serve({
  onChat: (_body, response, request) => {
    log(JSON.stringify(request.headers));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ choices: [] }));
  },
});
process.on('SIGTERM', () => {
  server.closeAllConnections();
  server.close();
});
