import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { startDemoServer, type DemoServer } from '../helpers/demo-server.ts';
import { picture } from '../helpers/serve-engine.ts';
import { serveFake } from '../helpers/serve-gateway.ts';

/** Anthropic's own client library, unchanged, against the real command with the real engine. */

const llamaServer = inject('llamaServer');
const KEY = 'a-key-of-this-test';
const IMAGE_TOKENS = 576;

async function imageBlock(seed: number): Promise<Anthropic.ImageBlockParam> {
  const data = (await picture(seed)).toString('base64');
  return { type: 'image', source: { type: 'base64', media_type: 'image/png', data } };
}

const wordsOf = ({ content }: Anthropic.Message) =>
  content.map((block) => (block.type === 'text' ? block.text : '')).join('');

describe.skipIf(llamaServer === null)('npm @anthropic-ai/sdk against serve --demo', () => {
  let server: DemoServer;
  let client: Anthropic;

  beforeAll(async () => {
    server = await startDemoServer(llamaServer ?? '', KEY);
    client = new Anthropic({ baseURL: server.url, apiKey: KEY, maxRetries: 0 });
  });
  afterAll(() => void server.child.kill('SIGKILL'));

  const ask = { model: 'demo', max_tokens: 8, temperature: 0 } as const;
  const user = (content: string | Anthropic.ContentBlockParam[]) => [
    { role: 'user' as const, content },
  ];

  test('chat', async () => {
    const answer = await client.messages.create({ ...ask, messages: user('hello') });
    expect(wordsOf(answer)).not.toBe('');
    expect(answer).toMatchObject({ model: 'demo', stop_reason: 'max_tokens' });
    expect(answer.usage.output_tokens).toBe(8);
  });

  test('a stream, put together by the library, is the whole answer', async () => {
    const messages = user('hello again');
    const whole = await client.messages.create({ ...ask, messages });
    const streamed = await client.messages.stream({ ...ask, messages }).finalMessage();
    expect(streamed.content).toEqual(whole.content);
    expect(streamed.stop_reason).toBe(whole.stop_reason);
    const tokens = ({ usage }: Anthropic.Message) =>
      usage.input_tokens + (usage.cache_read_input_tokens ?? 0);
    expect(tokens(streamed)).toBe(tokens(whole));
    expect(streamed.usage.output_tokens).toBe(8);
  });

  test('an image, counted before it is billed; its header says what was seen', async () => {
    const messages = user([await imageBlock(101), { type: 'text', text: 'what is it?' }]);
    const { input_tokens: counted } = await client.messages.countTokens({
      model: 'demo',
      messages,
    });
    expect(counted).toBeGreaterThan(IMAGE_TOKENS);
    const { data, response } = await client.messages.create({ ...ask, messages }).withResponse();
    expect(data.usage.input_tokens + (data.usage.cache_read_input_tokens ?? 0)).toBe(counted);
    expect(response.headers.get('x-mmdeploy-image')).toContain(`${IMAGE_TOKENS}tok`);
  });

  test('a schema is obeyed', async () => {
    const answer = await client.messages.create({
      ...ask,
      max_tokens: 40,
      messages: user('which one?'),
      output_config: { format: { type: 'json_schema', schema: { enum: ['left', 'right'] } } },
    });
    expect(['"left"', '"right"']).toContain(wordsOf(answer));
  });

  test('errors are those that the library knows', async () => {
    const stranger = new Anthropic({ baseURL: server.url, apiKey: 'wrong', maxRetries: 0 });
    const refused = stranger.messages.create({ ...ask, messages: user('hello') });
    await expect(refused).rejects.toBeInstanceOf(Anthropic.AuthenticationError);
    await expect(refused).rejects.toMatchObject({ type: 'authentication_error' });
    const source = { type: 'base64', media_type: 'image/png', data: 'AAAA' } as const;
    const broken = client.messages.create({ ...ask, messages: user([{ type: 'image', source }]) });
    await expect(broken).rejects.toBeInstanceOf(Anthropic.BadRequestError);
    await expect(broken).rejects.toMatchObject({
      type: 'invalid_request_error',
      message: expect.stringContaining('`messages[0].content[0]`') as string,
    });
    await expect(client.messages.batches.list()).rejects.toBeInstanceOf(Anthropic.NotFoundError);
  });
});

describe('npm @anthropic-ai/sdk and an engine that calls a tool', () => {
  const tool: Anthropic.Tool = {
    name: 'look',
    input_schema: { type: 'object', properties: { at: { type: 'string' } } },
  };
  const asked = {
    model: 'fake',
    max_tokens: 8,
    tools: [tool],
    messages: [{ role: 'user' as const, content: 'look' }],
  };
  const said = [
    { type: 'thinking', thinking: 'hm', signature: '' },
    { type: 'text', text: 'I look' },
    { type: 'tool_use', id: 'call_1', name: 'look', input: { at: 'left' } },
  ];

  test('its thoughts, words and call are blocks, streamed or not', async () => {
    const { url } = await serveFake('calls-a-tool');
    const client = new Anthropic({ baseURL: url, apiKey: 'none', maxRetries: 0 });
    const whole = await client.messages.create(asked);
    const streamed = await client.messages.stream(asked).finalMessage();
    for (const message of [whole, streamed]) {
      expect(message.content).toEqual(said);
      expect(message.stop_reason).toBe('tool_use');
      expect(message.usage).toMatchObject({
        input_tokens: 10,
        cache_read_input_tokens: 20,
        output_tokens: 9,
      });
    }
  });

  test('an engine that dies midway: the library throws what the last event says', async () => {
    const { url } = await serveFake('half-a-response');
    const client = new Anthropic({ baseURL: url, apiKey: 'none', maxRetries: 0 });
    const stream = client.messages.stream(asked);
    const words: string[] = [];
    stream.on('text', (text) => words.push(text));
    await expect(stream.finalMessage()).rejects.toMatchObject({
      type: 'api_error',
      error: { type: 'error', error: { code: 'engine_lost' }, src: 'mmdeploy' },
    });
    expect(words.join('')).toBe('a b');
  });

  test('abort ends the work of the engine', async () => {
    const { url, readLog } = await serveFake('never-finishes');
    const client = new Anthropic({ baseURL: url, apiKey: 'none', maxRetries: 0 });
    const stream = client.messages.stream(asked);
    await stream[Symbol.asyncIterator]().next();
    stream.abort();
    await expect(stream.done()).rejects.toBeInstanceOf(Anthropic.APIUserAbortError);
    await vi.waitFor(() => expect(readLog()).toContain('client hung up'), { timeout: 10_000 });
  });
});
