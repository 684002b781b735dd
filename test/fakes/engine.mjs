// What every fake llama-server shares: it parses --host/--port as the real one does, logs to stderr,
// answers 503 while "loading", and speaks enough of the HTTP interface for the gateway.
// Each fake beside this file is a real program with one bad habit.
import { createServer } from 'node:http';

const valueOf = (flag) => {
  const index = process.argv.indexOf(flag);
  return index === -1 ? undefined : process.argv[index + 1];
};

export const log = (line) => process.stderr.write(`${line}\n`);

const json = (response, status, value) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
};

const readBody = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString('utf8'));
};

const chunkOf = (delta, extra = {}) =>
  `data: ${JSON.stringify({ object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: null }], ...extra })}\n\n`;

/** Words of an answer; `onWord(index, response)` may do harm between them. */
async function chat(body, response, { words = ['a', ' small', ' fake'], onWord = () => true }) {
  const usage = {
    prompt_tokens: 7,
    completion_tokens: words.length,
    total_tokens: 7 + words.length,
  };
  if (body.stream !== true) {
    const message = { role: 'assistant', content: words.join('') };
    return json(response, 200, {
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage,
      body,
    });
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const [index, word] of words.entries()) {
    response.write(chunkOf({ content: word }));
    if ((await onWord(index, response)) === false) return;
  }
  response.write(chunkOf({}, { usage }));
  response.end('data: [DONE]\n\n');
}

/** Starts to listen where the arguments say; `loaded` tells whether loading is over. */
export function serve({
  loaded = () => true,
  slots,
  onChat,
  routes,
  answers = {},
  ...habits
} = {}) {
  const host = valueOf('--host') ?? '127.0.0.1';
  const server = createServer((request, response) => {
    if (!loaded()) return json(response, 503, { error: { code: 503, message: 'Loading model' } });
    if (request.url === '/health') return json(response, 200, { status: 'ok' });
    if (request.url === '/slots' && slots !== undefined) return json(response, 200, slots());
    if (request.url === '/v1/models') {
      return json(response, 200, { object: 'list', data: [{ id: 'fake' }] });
    }
    if (routes !== undefined && !routes.includes(request.url)) {
      return json(response, 404, { error: { code: 404, message: 'File Not Found' } });
    }
    void readBody(request).then((body) => {
      const answer = answers[request.url];
      if (answer !== undefined) return json(response, 200, answer(body));
      if (request.url !== '/v1/chat/completions')
        return json(response, 200, { url: request.url, body });
      return onChat === undefined ? chat(body, response, habits) : onChat(body, response, request);
    });
  });
  const where = host.endsWith('.sock') ? { path: host } : { host, port: Number(valueOf('--port')) };
  server.on('error', (error) => {
    log(`srv start: couldn't bind HTTP server socket, hostname: ${host} (${error.message})`);
    process.exitCode = 1;
  });
  server.listen(where, () => {
    const bound = server.address();
    log(
      `srv: listening on ${typeof bound === 'string' ? `unix://${bound}` : `http://127.0.0.1:${bound.port}`}`,
    );
  });
  return server;
}
