#!/usr/bin/env node
// Streams words until the client hangs up, and logs when it does; a request that does not stream gets no answer.
import { log, serve } from './engine.mjs';

serve({
  onChat(body, response, request) {
    log('chat begins');
    response.on('close', () => log('client hung up'));
    if (body.stream !== true) return;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const timer = setInterval(
      () => response.write('data: {"choices":[{"delta":{"content":"on "}}]}\n\n'),
      5,
    );
    request.socket.on('close', () => clearInterval(timer));
  },
});
