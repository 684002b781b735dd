#!/usr/bin/env node
// Runs out of memory in the words of FAKE_MEMORY_WORDS, unless its arguments hold FAKE_ENOUGH
// ("--flag" or "--flag value"): while it loads, or with FAKE_WHEN=chat at the first chat, or with
// FAKE_WHEN=survive at the first chat without dying of it.
import { log, serve } from './engine.mjs';

const when = process.env.FAKE_WHEN ?? 'load';
const enough = ` ${process.argv.slice(2).join(' ')} `.includes(` ${process.env.FAKE_ENOUGH} `);
const words = process.env.FAKE_MEMORY_WORDS ?? '';
const fail = (code) => {
  for (const line of words.split('|')) log(line);
  if (when === 'survive') return;
  process.exitCode = code;
  process.kill(process.pid, 'SIGABRT');
};

log(`argv ${process.argv.slice(2).join(' ')}`);
if (when === 'load' && !enough) fail(1);
const server = serve({
  slots: () => [{ id: 0, is_processing: false }],
  ...(enough || when === 'load'
    ? {}
    : {
        onChat: (_body, response) => {
          fail(1);
          response.writeHead(500, { 'content-type': 'application/json' });
          response.end(
            JSON.stringify({ error: { code: 500, message: 'failed to process image' } }),
          );
        },
      }),
});
process.on('SIGTERM', () => {
  server.closeAllConnections();
  server.close();
});
