#!/usr/bin/env node
// A trivial engine: what is measured in front of it is the gateway and nothing else. Started as the
// gateway's engine it takes llama-server's arguments; what it is asked about its build the real one answers
// (MMDEPLOY_BENCH_ENGINE). Each event of a stream carries the time at which it was sent.
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';

const EVENTS = 100;
const EVERY_MS = 10;
/** What the demo model's rule says of an image, and the engine of some words. */
const IMAGE_TOKENS = 576;
const TEXT_TOKENS = 23;

const argv = process.argv.slice(2);
const valueOf = (flag) => {
  const at = argv.lastIndexOf(flag);
  return at === -1 ? undefined : argv[at + 1];
};

if (argv.some((arg) => ['--version', '--help', '--list-devices'].includes(arg))) {
  const { status } = spawnSync(process.env.MMDEPLOY_BENCH_ENGINE, argv, { stdio: 'inherit' });
  process.exitCode = status ?? 1;
} else {
  listen();
}

const ANSWER = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  model: 'demo',
  choices: [
    { index: 0, message: { role: 'assistant', content: 'This is fine.' }, finish_reason: 'stop' },
  ],
  usage: { prompt_tokens: TEXT_TOKENS, completion_tokens: 4, total_tokens: TEXT_TOKENS + 4 },
});

function listen() {
  const host = valueOf('--host') ?? '127.0.0.1';
  const server = createServer(answer);
  const where = host.endsWith('.sock') ? { path: host } : { host, port: Number(valueOf('--port')) };
  server.listen(where, () => {
    const bound = server.address();
    const at = typeof bound === 'string' ? `unix://${bound}` : `http://127.0.0.1:${bound.port}`;
    process.stderr.write(`srv: listening on ${at}\n`);
  });
  process.on('SIGTERM', () => {
    server.closeAllConnections();
    server.close();
  });
}

function answer(request, response) {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    if (request.url.endsWith('/input_tokens')) return json(response, inputTokens(body));
    if (request.url === '/health') return json(response, '{"status":"ok"}');
    if (request.url.startsWith('/slots')) return json(response, '{}');
    if (request.url === '/props') return json(response, '{"total_slots":4}');
    if (request.url === '/tokenize') return json(response, '{"tokens":[1,2,3]}');
    if (request.url === '/v1/models') return json(response, '{"object":"list","data":[]}');
    if (body.includes('"stream":true')) return stream(response);
    return json(response, ANSWER);
  });
}

function inputTokens(body) {
  const images = body.toString('latin1').split('"image_url":').length - 1;
  return JSON.stringify({ input_tokens: TEXT_TOKENS + images * IMAGE_TOKENS });
}

function json(response, text) {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length });
  response.end(text);
}

function stream(response) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let sent = 0;
  const timer = setInterval(() => {
    // The same clock in every process of the machine.
    const delta = { content: String(process.hrtime.bigint()) };
    const choices = [{ index: 0, delta, finish_reason: null }];
    response.write(`data: ${JSON.stringify({ object: 'chat.completion.chunk', choices })}\n\n`);
    if (++sent < EVENTS) return;
    clearInterval(timer);
    response.end('data: [DONE]\n\n');
  }, EVERY_MS);
  response.on('close', () => clearInterval(timer));
}
