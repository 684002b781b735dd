#!/usr/bin/env node
// Dies in the middle of every chat answer: after two and a half events of a stream, or half a JSON document.
import { serve } from './engine.mjs';

const half = '{"choices":[{"index":0,"message":{"role":"assi';
serve({
  onChat(body, response) {
    const stream = body.stream === true;
    const start = stream
      ? ['a', ' b']
          .map((content) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`)
          .join('')
      : half;
    response.writeHead(200, {
      'content-type': stream ? 'text/event-stream' : 'application/json',
      ...(stream ? {} : { 'content-length': 500 }),
    });
    response.write(start, () => process.kill(process.pid, 'SIGKILL'));
  },
});
