import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import OpenAI from 'openai';
import { describe, expect, test, vi } from 'vitest';
import { fixedKeys } from '../../src/serve/gateway/key-file.ts';
import { plainKey } from '../../src/serve/gateway/keys.ts';
import { DEFAULT_QUARANTINE, Quarantine } from '../../src/serve/quarantine.ts';
import type { SupervisorPhase } from '../../src/serve/supervisor/options.ts';
import { chatBody, deadEngine, openGateway, serveFake } from '../helpers/serve-gateway.ts';
import { plainPrompts } from '../helpers/serve-prompts.ts';
import { fakeEngine, supervise } from '../helpers/serve-supervisor.ts';

const UNTIL = { timeout: 10_000, interval: 10 };
const CHAT = '/v1/chat/completions';

/** Every error of the gateway's own has this shape and this signature. */
function ownError(code: string): unknown {
  const error = { message: expect.any(String), type: expect.any(String), param: null, code };
  return { error, src: 'mmdeploy' };
}

describe('in front of a fake that behaves', () => {
  test('an answer in one piece, with what the client sent', async () => {
    const { url } = await serveFake('well-behaved');
    const response = await fetch(url + CHAT, chatBody({ temperature: 0 }));
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      choices: [{ message: { content: 'a small fake' } }],
      body: { temperature: 0 },
    });
  });

  test('a stream through the OpenAI client, with usage', async () => {
    const { url } = await serveFake('well-behaved');
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
    const stream = await client.chat.completions.create({
      model: 'fake',
      stream: true,
      messages: [{ role: 'user', content: 'hi' }],
    });
    const words: string[] = [];
    let billed: number | undefined;
    for await (const chunk of stream) {
      words.push(chunk.choices[0]?.delta.content ?? '');
      billed = chunk.usage?.prompt_tokens ?? billed;
    }
    expect(words.join('')).toBe('a small fake');
    expect(billed).toBe(7);
  });

  describe('long base64 in a body', () => {
    const data = Buffer.alloc(50_000, 'x').toString('base64');
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } };
    const send = async (url: string, content: unknown, more: object = {}) => {
      const response = await fetch(
        url + CHAT,
        chatBody({ messages: [{ role: 'user', content }], ...more }),
      );
      return (await response.json()) as { body: unknown; error: unknown };
    };

    test('is the medium that it was', async () => {
      const { url } = await serveFake('well-behaved');
      const { body } = await send(url, [image, image]);
      expect(body).toMatchObject({ messages: [{ content: [image, image] }] });
    });

    test('reaches the engine as words where it stands among words', async () => {
      const { url } = await serveFake('well-behaved');
      const words = { type: 'text', text: `what is ![x](data:image/png;base64,${data})?` };
      const { body } = await send(url, [image, words]);
      expect(body).toMatchObject({ messages: [{ content: [image, words] }] });
      expect((await send(url, words.text)).body).toMatchObject({
        messages: [{ content: words.text }],
      });
    });

    test('is quoted in an error as it was sent', async () => {
      const { url } = await serveFake('well-behaved');
      const wrong = { type: 'image_url', image_url: { url: `gopher:;base64,${data}` } };
      const { error } = await send(url, [wrong]);
      expect(error).toMatchObject({
        message: expect.stringContaining('`gopher:;base64,eHh4') as string,
      });
    });
  });

  test("the operator's fields are dropped, also when they are spelled with escapes", async () => {
    const { url } = await serveFake('well-behaved');
    const body = '{"messages":[],"seed":1,"id_slot":3,"cache\\u005fprompt":false,"lora":[]}';
    const response = await fetch(url + CHAT, { ...chatBody(), body });
    // The slot is the gateway's choice, not the client's 3.
    expect(await response.json()).toMatchObject({ body: { messages: [], seed: 1, id_slot: 0 } });
    expect(response.headers.get('x-mmdeploy-dropped-fields')).toBe('id_slot, cache_prompt, lora');
    const kept = (await (await fetch(url + CHAT, { ...chatBody(), body })).json()) as {
      body: object;
    };
    expect(Object.keys(kept.body)).toEqual(['messages', 'seed', 'id_slot']);
  });
});

describe('bad requests', () => {
  test.each([
    ['too large', 413, 'body_too_large', { body: 'x'.repeat(2 * 1024 * 1024) }],
    [
      'another media type',
      415,
      'invalid_media_type',
      { headers: { 'content-type': 'text/plain' } },
    ],
    ['no body', 400, 'invalid_json', { body: null, headers: {} }],
    ['not JSON', 400, 'invalid_json', { body: '{"id_slot":' }],
    ['a byte order mark in front', 400, 'invalid_json', { body: '\uFEFF{"id_slot":1}' }],
  ])('%s: %i', async (_name, status, code, override) => {
    const { url } = await openGateway(deadEngine(true));
    const response = await fetch(url + CHAT, { ...chatBody(), ...override });
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual(ownError(code));
  });

  test('what is not HTTP gets the same form of error', async () => {
    const { url } = await openGateway(deadEngine(true));
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.end('NONSENSE\r\n\r\n');
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(JSON.parse(answer.slice(answer.indexOf('{')))).toEqual(ownError('malformed_request'));
  });
});

describe('keys', () => {
  test('every route but the probes needs one', async () => {
    const { url } = await serveFake('well-behaved', {
      keys: fixedKeys([plainKey('one'), plainKey('two')]),
    });
    const ask = async (path: string, key: string | null) => {
      const headers = key === null ? undefined : { authorization: `Bearer ${key}` };
      return (await fetch(url + path, headers === undefined ? {} : { headers })).status;
    };
    expect(await ask('/health', null)).toBe(200);
    expect(await ask('/ready', null)).toBe(200);
    expect(await ask('/ready?x=1', null)).toBe(200);
    expect(await ask('/v1/models', null)).toBe(401);
    expect(await ask('/nothing', null)).toBe(401);
    expect(await ask('/v1/models', 'three')).toBe(401);
    expect(await ask('/v1/models', 'on')).toBe(401);
    expect(await ask('/v1/models', 'one')).toBe(200);
    expect(await ask('/v1/models', 'two')).toBe(200);
    const refused = await fetch(`${url}/v1/models`);
    expect(await refused.json()).toEqual(ownError('invalid_api_key'));
  });
});

describe('the engine fails', () => {
  test('not ready: 503 with Retry-After; alive but not ready', async () => {
    const { url } = await openGateway(deadEngine(false));
    expect((await fetch(`${url}/health`)).status).toBe(200);
    for (const path of ['/ready', '/v1/models']) {
      const response = await fetch(url + path);
      expect(response.status).toBe(503);
      expect(response.headers.get('retry-after')).toBe('42');
      expect(await response.json()).toEqual(ownError('engine_not_ready'));
    }
  });

  test.each([CHAT, '/mmdeploy/v1/estimate'])('nobody listens behind %s: 502', async (path) => {
    const { url } = await openGateway(deadEngine(true));
    const response = await fetch(url + path, chatBody());
    expect(response.status).toBe(502);
    expect(response.headers.get('retry-after')).toBe('42');
    expect(await response.json()).toEqual(ownError('engine_lost'));
  });

  test("the engine's own 503 comes through in its own words", async () => {
    const { url } = await serveFake('answers-503');
    const response = await fetch(url + CHAT, chatBody());
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({
      error: { code: 503, message: 'no slot is free', type: 'unavailable_error' },
    });
  });

  test('it dies half-way through one answer: 502, never half a document', async () => {
    const { url } = await serveFake('half-a-response');
    const response = await fetch(url + CHAT, chatBody());
    expect(response.status).toBe(502);
    expect(await response.json()).toEqual(ownError('engine_lost'));
  });

  test('it dies half-way through a stream: whole events, then an error event, then the end', async () => {
    const { url, supervisor } = await serveFake('half-a-response');
    const before = supervisor.pid;
    const response = await fetch(url + CHAT, chatBody({ stream: true }));
    const events = (await response.text()).split('\n\n').filter((event) => event !== '');
    expect(events).toHaveLength(3);
    const parsed = events.map((event) => JSON.parse(event.replace('data: ', '')) as unknown);
    expect(parsed[2]).toEqual(ownError('engine_lost'));
    await vi.waitFor(() => {
      expect(supervisor.pid).not.toBe(before);
      expect(supervisor.state).toBe('ready');
    }, UNTIL);
  });

  test('a client of OpenAI sees the broken stream as an error', async () => {
    const { url } = await serveFake('half-a-response');
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
    const stream = await client.chat.completions.create({
      model: 'fake',
      stream: true,
      messages: [{ role: 'user', content: 'hi' }],
    });
    const read = async () => {
      let words = '';
      for await (const chunk of stream) words += chunk.choices[0]?.delta.content ?? '';
      return words;
    };
    await expect(read()).rejects.toThrow(/engine closed the connection/);
  });

  test('what was in flight at two crashes is refused, something else is not', async () => {
    const quarantine = new Quarantine(DEFAULT_QUARANTINE, () => performance.now());
    const onPhase = ({ kind }: SupervisorPhase) => {
      if (kind === 'crashed') quarantine.crashed();
    };
    const { supervisor } = supervise(fakeEngine('crashes-when-asked'), {}, { onPhase });
    await supervisor.start();
    const { url } = await openGateway(supervisor, { prompts: plainPrompts({ quarantine }) });
    const ask = async (seed: number) => {
      const response = await fetch(url + CHAT, chatBody({ seed }));
      return { status: response.status, ...((await response.json()) as { error: object }) };
    };
    expect(await ask(1)).toMatchObject({ status: 502, error: { code: 'engine_lost' } });
    expect(await ask(1)).toMatchObject({ status: 502, error: { code: 'quarantined' } });
    await vi.waitFor(async () => {
      expect((await fetch(`${url}/ready`)).status).toBe(200);
    }, UNTIL);
    expect(await ask(2)).toMatchObject({ status: 502, error: { code: 'engine_lost' } });
  });

  test('it dies at the request, before a byte: 502, and the next engine is there soon', async () => {
    const { url, supervisor } = await serveFake('crashes-when-asked');
    expect((await fetch(url + CHAT, chatBody())).status).toBe(502);
    await vi.waitFor(async () => {
      expect((await fetch(`${url}/ready`)).status).toBe(200);
    }, UNTIL);
    expect(supervisor.state).toBe('ready');
  });
});

describe('hanging up and stopping', () => {
  test.each([true, false])(
    'the client hangs up (stream: %s): so does the gateway',
    async (stream) => {
      const { url, readLog } = await serveFake('never-finishes');
      const client = new AbortController();
      const answer = fetch(url + CHAT, { ...chatBody({ stream }), signal: client.signal });
      answer.catch(() => undefined);
      await vi.waitFor(() => expect(readLog()).toContain('chat begins'), UNTIL);
      client.abort();
      await vi.waitFor(() => expect(readLog()).toContain('client hung up'), UNTIL);
    },
  );

  test('drain: the new are refused, the running stream ends with an error event in time', async () => {
    const { url, gateway } = await serveFake('never-finishes');
    const response = await fetch(url + CHAT, chatBody({ stream: true }));
    const drained = gateway.drain(200, new AbortController().signal);
    const refused = await fetch(url + CHAT, chatBody());
    expect(refused.status).toBe(503);
    expect(await refused.json()).toEqual(ownError('server_stopping'));
    expect((await fetch(`${url}/ready`)).status).toBe(503);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    await drained;
    const events = (await response.text()).split('\n\n').filter((event) => event !== '');
    expect(JSON.parse((events.at(-1) ?? '').replace('data: ', ''))).toEqual(
      ownError('server_stopping'),
    );
  });

  test('drain: a request that is not a stream gets 503 when the time is up', async () => {
    const { url, gateway, readLog } = await serveFake('never-finishes');
    const answer = fetch(url + CHAT, chatBody());
    await vi.waitFor(() => expect(readLog()).toContain('chat begins'), UNTIL);
    await gateway.drain(50, new AbortController().signal);
    expect((await answer).status).toBe(503);
  });

  test('drain: nothing running is no waiting', async () => {
    const { gateway } = await openGateway(deadEngine(true));
    await expect(gateway.drain(600_000, new AbortController().signal)).resolves.toBeUndefined();
  });

  test('drain: force ends a long one', async () => {
    const { url, gateway, readLog } = await serveFake('never-finishes');
    const answer = fetch(url + CHAT, chatBody());
    await vi.waitFor(() => expect(readLog()).toContain('chat begins'), UNTIL);
    await gateway.drain(600_000, AbortSignal.abort());
    expect((await answer).status).toBe(503);
  });
});
