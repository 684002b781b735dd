import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectEngine } from '../../src/serve/engine-target.ts';
import { demoArgs, picture, REAL_ENGINE } from '../helpers/serve-engine.ts';
import { chatBody, openGateway, serveFake } from '../helpers/serve-gateway.ts';
import { plainPrompts } from '../helpers/serve-prompts.ts';
import { supervise, temporaryFolder } from '../helpers/serve-supervisor.ts';

type Body = Readonly<Record<string, unknown>>;
type Message = Body & {
  readonly content: unknown;
  readonly usage: Readonly<Record<string, number>>;
};

const HELLO = { model: 'demo', max_tokens: 6, messages: [{ role: 'user', content: 'hello' }] };

/** A chat template whose answers begin with thoughts. */
const THINKING = `{% for message in messages %}{{ message.role }}: {% if message.reasoning_content %}<think>{{ message.reasoning_content }}</think>{% endif %}{{ message.content }}
{% endfor %}{% if add_generation_prompt %}assistant: <think>{% endif %}`;

/** A chat template that knows tools. */
const TOOLS = `{% if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}
{% endif %}{% for message in messages %}{{ message.role }}: {% if message.content is string %}{{ message.content }}{% endif %}{% for call in message.tool_calls or [] %}<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>{% endfor %}
{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}`;

/** The gateway, and the very engine behind it. */
async function serveDemo(template: string | null = null) {
  const args = [...(await demoArgs())];
  if (template !== null) {
    const file = join(temporaryFolder(), 'template.jinja');
    writeFileSync(file, template);
    args.push('--chat-template-file', file);
  }
  const { supervisor, folder } = supervise(REAL_ENGINE, { args });
  await supervisor.start();
  const { url } = await openGateway(supervisor, { prompts: plainPrompts() });
  const post = async (path: string, body: Body) => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(url + path, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    return { status: response.status, text: await response.text() };
  };
  // Not over the gateway's connections, which the engine may be about to close.
  const its = connectEngine({ kind: 'socket', path: join(folder, 'engine.sock') });
  onTestFinished(() => its.destroy());
  const fromEngine = async (path: string, body: Body) => {
    const headers = { 'content-type': 'application/json' };
    const asked = {
      path,
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      reset: true,
    } as const;
    const response = await its.request(asked);
    return { status: response.statusCode, text: await response.body.text() };
  };
  return { post, fromEngine };
}

const image = async (seed: number) => ({
  type: 'image',
  source: {
    type: 'base64',
    media_type: 'image/png',
    data: (await picture(seed)).toString('base64'),
  },
});

type Event = { readonly event: string; readonly data: Body };

function eventsOf(text: string): readonly Event[] {
  return text
    .split('\n\n')
    .filter((each) => each.startsWith('event: '))
    .map((each) => {
      const [head = '', data = ''] = each.split('\n');
      return {
        event: head.slice('event: '.length),
        data: JSON.parse(data.slice('data: '.length)) as Body,
      };
    });
}

/** Equal but for what differs with each answer: its name, and what the slot held by then. */
function shapeOf(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (name, each: unknown) =>
      name === 'id' || name === 'model' ? typeof each : name === 'usage' ? undefined : each,
    ),
  );
}

describe.skipIf(REAL_ENGINE === '')("/v1/messages beside the engine's own", () => {
  test('words: the same message, the same count', async () => {
    const { post, fromEngine } = await serveDemo();
    const asked = {
      ...HELLO,
      temperature: 0,
      system: [
        { type: 'text', text: 'be' },
        { type: 'text', text: ' brief' },
      ],
    };
    const [ours, its] = [
      await post('/v1/messages', asked),
      await fromEngine('/v1/messages', asked),
    ];
    const [message, other] = [JSON.parse(ours.text) as Message, JSON.parse(its.text) as Message];
    expect(shapeOf(message)).toEqual(shapeOf(other));
    expect(message.content).toEqual([{ type: 'text', text: expect.any(String) as string }]);
    for (const { usage } of [message, other]) {
      const { input_tokens = 0, cache_read_input_tokens: cached = 0 } = usage;
      const counted = await post('/v1/messages/count_tokens', asked);
      expect({ input_tokens: input_tokens + cached }).toEqual(JSON.parse(counted.text));
      expect(usage).toMatchObject({ output_tokens: 6 });
    }
    expect(await fromEngine('/v1/messages/count_tokens', asked)).toEqual(
      await post('/v1/messages/count_tokens', asked),
    );
  });

  test('a stream: the same events in the same order, with the whole usage at the end', async () => {
    const { post, fromEngine } = await serveDemo();
    const asked = { ...HELLO, temperature: 0, stream: true };
    const [ours, its] = [
      await post('/v1/messages', asked),
      await fromEngine('/v1/messages', asked),
    ];
    expect(shapeOf(eventsOf(ours.text))).toEqual(shapeOf(eventsOf(its.text)));
    const [first, last] = [eventsOf(ours.text).at(0), eventsOf(ours.text).at(-2)];
    expect(first?.data).toMatchObject({ message: { usage: { output_tokens: 0 } } });
    expect((first?.data as { message: Message }).message.usage['input_tokens']).toBeGreaterThan(1);
    expect(last?.data['usage']).toMatchObject({ output_tokens: 6 });
    expect(last?.data['usage']).toMatchObject({
      input_tokens: (first?.data as { message: Message }).message.usage['input_tokens'],
    });
  });

  test.each([true, false])('a stop sequence is named (stream: %s)', async (stream) => {
    const { post } = await serveDemo();
    const asked = { ...HELLO, max_tokens: 60, stream, stop_sequences: ['e'] };
    const { text } = await post('/v1/messages', asked);
    expect(text).not.toContain('__verbose');
    const message = stream ? eventsOf(text).at(-2)?.data['delta'] : JSON.parse(text);
    expect(message).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: 'e' });
  });

  test('pictures of a user and of a tool are seen and counted by modality', async () => {
    const { post } = await serveDemo();
    const use = { type: 'tool_use', id: 'toolu_1', name: 'look', input: { at: 1 } };
    const result = { type: 'tool_result', tool_use_id: 'toolu_1', content: [await image(1)] };
    const asked = {
      ...HELLO,
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'look' }, await image(2)] },
        { role: 'assistant', content: [use] },
        { role: 'user', content: [result, { type: 'text', text: 'and?' }] },
      ],
    };
    const { text } = await post('/v1/messages', asked);
    const { usage } = JSON.parse(text) as Message;
    expect(usage).toMatchObject({ input_tokens_details: { image_tokens: 2 * 576 } });
    const counted = await post('/v1/messages/count_tokens', asked);
    expect(JSON.parse(counted.text)).toEqual({ input_tokens: usage['input_tokens'] });
    expect(usage['input_tokens']).toBeGreaterThan(2 * 576);
  });

  test.each([true, false])('thoughts are blocks of their own (stream: %s)', async (stream) => {
    const { post, fromEngine } = await serveDemo(THINKING);
    const asked = { ...HELLO, temperature: 0, stream };
    const [ours, its] = [
      await post('/v1/messages', asked),
      await fromEngine('/v1/messages', asked),
    ];
    const read = (text: string) => (stream ? eventsOf(text) : (JSON.parse(text) as unknown));
    expect(its.text).toContain('"type":"thinking"');
    const told = JSON.stringify(shapeOf(read(ours.text)));
    // Begun without a signature by the engine, with an empty one by Anthropic.
    expect(told.replaceAll('"thinking":"","signature":""', '"thinking":""')).toBe(
      JSON.stringify(shapeOf(read(its.text))),
    );
  });

  test('tools, calls and what they gave are the prompt that the engine makes of them', async () => {
    const { post, fromEngine } = await serveDemo(TOOLS);
    const schema = { type: 'object', properties: { at: { enum: ['left'] } }, required: ['at'] };
    const asked = {
      model: 'demo',
      tools: [{ name: 'look', description: 'looks', input_schema: schema }],
      tool_choice: { type: 'auto' },
      messages: [
        { role: 'user', content: 'look' },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'I do' },
            { type: 'tool_use', id: 'toolu_1', name: 'look', input: { at: 'left' } },
          ],
        },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'a wall' }],
        },
      ],
    };
    const counted = await post('/v1/messages/count_tokens', asked);
    expect(counted).toEqual(await fromEngine('/v1/messages/count_tokens', asked));
    const less = await post('/v1/messages/count_tokens', { ...asked, tools: [] });
    expect(Number(JSON.parse(counted.text)['input_tokens'])).toBeGreaterThan(
      Number(JSON.parse(less.text)['input_tokens']),
    );
  });
});

const words = (extra: object = {}) => ({ ...HELLO, ...extra });
const turn = (...content: readonly unknown[]) => ({ messages: [{ role: 'user', content }] });

describe('what is refused, in the words of the interface', () => {
  test.each([
    [{ max_tokens: undefined }, '`max_tokens` is missing'],
    [{ messages: [] }, '`messages` is missing'],
    [
      turn({ type: 'search_result' }),
      '`messages[0].content[0]` is a block of the type `search_result`',
    ],
    [
      turn({ type: 'image', source: { type: 'file', file_id: 'f' } }),
      '`messages[0].content[0].source`',
    ],
    [turn({ type: 'image', source: { type: 'url', url: 'file:///etc/passwd' } }), 'content[0]'],
    [{ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, '`tools[0]`'],
  ])('%j', async (extra, message) => {
    const { url } = await serveFake('well-behaved');
    const response = await fetch(`${url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(words(extra)),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      type: 'error',
      error: {
        type: 'invalid_request_error',
        message: expect.stringContaining(message) as string,
        code: expect.stringMatching(/^invalid_(field|media)$/) as string,
      },
      src: 'mmdeploy',
    });
  });

  test.each([
    ['answers-503', 503, 'overloaded_error'],
    ['no-responses', 501, 'api_error'],
  ])('%s: %s %s', async (fake, status, type) => {
    const { url } = await serveFake(fake);
    const path = fake === 'no-responses' ? '/v1/messages/count_tokens' : '/v1/messages';
    const response = await fetch(url + path, { ...chatBody(), body: JSON.stringify(words()) });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ type: 'error', error: { type } });
  });
});
