import type { Json } from '../gateway/json.ts';
import { expectThat, type Check, type TestedServer } from './check.ts';
import { chat, nextEngine, openStream, postRaw, question, strangerStatus } from './client.ts';

/** Long enough to be still running when something is done to it. */
const LONG = { max_tokens: 2000, ignore_eos: true };
const INSIDE = ['/slots', '/props', '/tools', '/completion', '/apply-template', '/lora-adapters'];

export const REQUEST_CHECKS: readonly Check[] = [
  {
    id: 'key-needed',
    promise: 'every route but /health and /ready needs a key',
    needsImages: false,
    run: async (server) => {
      for (const path of ['/v1/models', '/v1/chat/completions', '/nothing', ...INSIDE]) {
        const status = await strangerStatus(server, path);
        expectThat(status === 401, `${path} without a key is answered ${status}`);
      }
      for (const path of ['/health', '/ready']) {
        const status = await strangerStatus(server, path);
        expectThat(status === 200, `${path} is answered ${status}`);
      }
    },
  },
  {
    id: 'engine-hidden',
    promise: "the engine's own routes are not there, with a key either",
    needsImages: false,
    run: async (server) => {
      for (const path of INSIDE) {
        const status = await postRaw(server, path, '{}');
        expectThat(status === 404, `${path} is answered ${status}`);
      }
    },
  },
  {
    id: 'hostile-bodies',
    promise: 'bodies that stop llama-server are refused with 4xx, and the engine lives on',
    needsImages: false,
    run: async (server) => {
      const before = server.enginePid();
      const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
      const messages = '"messages":[{"role":"user","content":"hi"}],"max_tokens":2';
      const hostile = {
        'no JSON': '{"messages":',
        '100,000 levels': `{${messages},"chat_template_kwargs":{"a":${deep}}}`,
        'a nested pattern': `{${messages},"json_schema":{"type":"string","pattern":"^((((a{0,10}){0,10}){0,10}){0,10})$"}}`,
        '2 GiB of history': `{${messages},"repeat_last_n":2147483647}`,
      };
      for (const [name, body] of Object.entries(hostile)) {
        const status = await postRaw(server, '/v1/chat/completions', body);
        expectThat(status >= 400 && status < 500, `${name} is answered ${status}`);
      }
      expectThat(server.enginePid() === before, 'the engine is another process than before');
    },
  },
  {
    id: 'disconnect-frees-slot',
    promise: 'a client that hangs up frees its slot',
    needsImages: false,
    run: async (server) => {
      for (let round = 0; round < 8; round += 1) {
        const client = new AbortController();
        const body = { ...question(`Count, round ${round}`), ...LONG };
        const stream = await openStream(server, body, client.signal);
        await stream.body?.getReader().read();
        client.abort();
      }
      const { status } = await chat(server, 'Are you there?');
      expectThat(status === 200, `a question after them is answered ${status}`);
    },
  },
  {
    id: 'engine-killed',
    promise:
      'when the engine is killed, a running stream ends in an error event and the next engine answers',
    needsImages: false,
    run: async (server) => {
      const pid = server.enginePid();
      expectThat(pid !== undefined, 'the engine has no process');
      const reader = await begunStream(server, LONG);
      process.kill(pid, 'SIGKILL');
      const events = await restOf(reader);
      const ended = events.includes('"error"') || events.includes('[DONE]');
      expectThat(ended, 'the stream ended without a word');
      await nextEngine(server, pid);
      const { status } = await chat(server, 'Are you there?');
      expectThat(status === 200, `a question after it is answered ${status}`);
    },
  },
  {
    id: 'drain',
    promise: 'a server that is told to stop finishes the answers it has begun, and is gone',
    needsImages: false,
    run: async (server) => {
      const reader = await begunStream(server, { max_tokens: 200, ignore_eos: true });
      const stopped = server.stop();
      const events = await restOf(reader);
      expectThat(events.includes('[DONE]'), 'the answer was cut off');
      await stopped;
      const gone = await strangerStatus(server, '/health').then(
        () => false,
        () => true,
      );
      expectThat(gone, 'it still answers');
    },
  },
];

type Reader = ReadableStreamDefaultReader<string>;

/** A stream of which the first words are there. */
async function begunStream(server: TestedServer, more: Json): Promise<Reader> {
  const stream = await openStream(server, { ...question('Count'), ...more });
  expectThat(
    stream.status === 200 && stream.body !== null,
    `a stream is answered ${stream.status}`,
  );
  const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
  await reader.read();
  return reader;
}

async function restOf(reader: Reader): Promise<string> {
  let events = '';
  for (let next = await reader.read(); !next.done; next = await reader.read()) events += next.value;
  return events;
}
