#!/usr/bin/env node
// The real llama-server (FAKE_REAL_ENGINE) behind a door of its own that plays a card with too little
// memory: a request with an image ends it in the words and the way of ggml's CUDA backend (`ggml_cuda_error`
// is followed by abort), unless its arguments hold FAKE_ENOUGH ("--flag" or "--flag value").
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createServer, request as ask } from 'node:http';
import { dirname, join } from 'node:path';
import { log } from './engine.mjs';

const argv = process.argv.slice(2);
const at = argv.indexOf('--host') + 1;
const door = argv[at];
const inside = join(dirname(door), 'inside.sock');
const enough = ` ${argv.join(' ')} `.includes(` ${process.env.FAKE_ENOUGH} `);
const CUDA = [
  'ggml_backend_cuda_buffer_type_alloc_buffer: allocating 1236.19 MiB on device 0: cudaMalloc failed: out of memory',
  'ggml_gallocr_reserve_n_impl: failed to allocate CUDA0 buffer of size 1296238592',
  'CUDA error: out of memory',
  '  current device: 0, in function alloc at ggml/src/ggml-cuda/ggml-cuda.cu:497',
  '  cuMemCreate(&handle, reserve_size, &prop, 0)',
  'ggml/src/ggml-cuda/ggml-cuda.cu:98: CUDA error',
];

// A life before this one left it behind.
rmSync(inside, { force: true });
log(`argv ${argv.join(' ')}`);
const engine = spawn(process.env.FAKE_REAL_ENGINE, argv.with(at, inside), {
  stdio: ['ignore', 'inherit', 'inherit'],
});
engine.once('exit', (code) => process.exit(code ?? 1));

const readAll = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const server = createServer(async (request, response) => {
  const body = await readAll(request);
  if (!enough && request.url === '/v1/chat/completions' && body.includes('"image_url"')) {
    for (const line of CUDA) log(line);
    engine.removeAllListeners('exit');
    engine.kill('SIGKILL');
    process.abort();
  }
  const { url: path, method, headers } = request;
  const onward = ask({ socketPath: inside, path, method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    answer.pipe(response);
  });
  // It still loads: its socket is not there yet.
  onward.on('error', () => {
    if (!response.headersSent) response.writeHead(503);
    response.end();
  });
  onward.end(body);
});
server.listen(door);
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => engine.kill(signal));
