import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { startDemoServer, type DemoServer } from '../helpers/demo-server.ts';
import { imagePart } from '../helpers/serve-engine.ts';

/** OpenAI's own client library, unchanged, against the real command with the real engine. */

const llamaServer = inject('llamaServer');
const KEY = 'a-key-of-this-test';
const IMAGE_TOKENS = 576;

describe.skipIf(llamaServer === null)('npm openai against serve --demo', () => {
  let server: DemoServer;
  let client: OpenAI;

  beforeAll(async () => {
    server = await startDemoServer(llamaServer ?? '', KEY);
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: KEY, maxRetries: 0 });
  });
  afterAll(() => void server.child.kill('SIGKILL'));

  const ask = { model: 'demo', max_completion_tokens: 8, temperature: 0 } as const;
  const user = (content: string | OpenAI.ChatCompletionContentPart[]) => [
    { role: 'user' as const, content },
  ];

  test('chat', async () => {
    const answer = await client.chat.completions.create({ ...ask, messages: user('hello') });
    expect(answer.choices[0]?.message.content).not.toBe('');
    expect(answer.choices[0]?.finish_reason).toBe('length');
    expect(answer.usage?.completion_tokens).toBe(8);
    expect(answer.model).toBe('demo');
  });

  test('streaming, with the same words and the usage at the end', async () => {
    const messages = user('hello again');
    const whole = await client.chat.completions.create({ ...ask, messages });
    const stream = await client.chat.completions.create({
      ...ask,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let words = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      words += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    expect(words).toBe(whole.choices[0]?.message.content);
    expect(usage?.prompt_tokens).toBe(whole.usage?.prompt_tokens);
  });

  test('an image: its tokens are billed, twice for two', async () => {
    const [one, two] = [await imagePart(101), await imagePart(102)];
    const billed = async (...parts: OpenAI.ChatCompletionContentPart[]) => {
      const messages = user([{ type: 'text', text: 'what is it?' }, ...parts]);
      const answer = await client.chat.completions.create({ ...ask, messages });
      return answer.usage?.prompt_tokens ?? 0;
    };
    const [first, second] = [await billed(one), await billed(one, two)];
    expect(first).toBeGreaterThan(IMAGE_TOKENS);
    expect(second - first).toBe(IMAGE_TOKENS);
  });

  test('a JSON schema is obeyed', async () => {
    const answer = await client.chat.completions.create({
      ...ask,
      max_completion_tokens: 40,
      messages: user('which one?'),
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'choice', schema: { enum: ['left', 'right'] } },
      },
    });
    expect(['"left"', '"right"']).toContain(answer.choices[0]?.message.content);
  });

  test('abort: the request ends in its error, and its slot is free for others', async () => {
    // More than there are slots: were one of them still taken, a later stream would never begin.
    for (let round = 0; round < 5; round += 1) {
      const stream = await client.chat.completions.create({
        ...ask,
        max_completion_tokens: 100_000,
        ...{ ignore_eos: true },
        messages: user(`for ever ${round}`),
        stream: true,
      });
      await stream[Symbol.asyncIterator]().next();
      stream.controller.abort();
    }
    const controller = new AbortController();
    const whole = client.chat.completions.create(
      {
        ...ask,
        max_completion_tokens: 100_000,
        ...{ ignore_eos: true },
        messages: user('for ever'),
      },
      { signal: controller.signal },
    );
    controller.abort();
    await expect(whole).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    const after = await client.chat.completions.create({ ...ask, messages: user('and now?') });
    expect(after.usage?.completion_tokens).toBe(8);
  });

  test('errors are those that the library knows, and say who speaks', async () => {
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'wrong', maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    const broken = { type: 'image_url' as const, image_url: { url: 'data:image/png;base64,AAAA' } };
    const asked = client.chat.completions.create({ ...ask, messages: user([broken]) });
    await expect(asked).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    const missing = client.get('/slots');
    await expect(missing).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test('the list of models and completions of plain text', async () => {
    const [model] = (await client.models.list()).data;
    expect(model?.id).toBe('demo');
    const answer = await client.completions.create({
      model: 'demo',
      max_tokens: 8,
      prompt: 'once upon',
    });
    expect(answer.choices[0]?.text).not.toBe('');
  });

  test('SIGTERM: a running answer is finished first, exit 0', async () => {
    const stream = await client.chat.completions.create({
      ...ask,
      messages: user('the last one'),
      stream: true,
    });
    server.child.kill('SIGTERM');
    let last: string | null | undefined;
    for await (const chunk of stream) last = chunk.choices[0]?.finish_reason ?? last;
    expect(last).toBe('length');
    expect(await server.ended).toBe(0);
  });
});
