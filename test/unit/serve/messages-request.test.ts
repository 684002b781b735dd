import { describe, expect, test } from 'vitest';
import { takeMessagesApart } from '../../../src/serve/gateway/messages/messages-request.ts';

const base64 = (bytes: string) => ({
  type: 'base64',
  media_type: 'image/png',
  data: Buffer.from(bytes).toString('base64'),
});
const image = (bytes: string) => ({ type: 'image', source: base64(bytes) });
const text = (words: string) => ({
  type: 'text',
  text: words,
  cache_control: { type: 'ephemeral' },
});
const user = (...content: readonly unknown[]) => ({ role: 'user', content });
const take = (request: Readonly<Record<string, unknown>>) =>
  takeMessagesApart({ messages: [user(text('hi'))], ...request }, 'as-sent');
const chat = (request: Readonly<Record<string, unknown>>) => take(request).putBack([]);

describe('a request for a message as a chat', () => {
  test('media keep their order, and errors name the place that the client knows', () => {
    const pdf = { type: 'document', title: 'T', source: { ...base64('P'), media_type: 'x' } };
    const result = { type: 'tool_result', tool_use_id: 't', content: [text('see'), image('A')] };
    const { parts, putBack } = take({
      messages: [user(result, text('and'), image('B')), user(pdf)],
    });
    expect(parts.map(({ place }) => place)).toEqual([
      'messages[0].content[0].content[1]',
      'messages[0].content[2]',
      'messages[1].content[0]',
    ]);
    expect(parts[0]?.source).toEqual({ kind: 'base64', text: base64('A').data });
    const file = (name: string) => ({ kind: 'image', url: `file://${name}` }) as const;
    const part = (name: string) => ({ type: 'image_url', image_url: { url: `file://${name}` } });
    const words = (said: string) => ({ type: 'text', text: said });
    expect(putBack([[file('a')], [file('b')], [file('p1'), file('p2')]])['messages']).toEqual([
      { role: 'tool', tool_call_id: 't', content: [words('see'), part('a')] },
      {
        role: 'user',
        content: [words('and'), part('b'), words('T'), part('p1'), part('p2')],
      },
    ]);
  });

  test('addresses and plain documents', () => {
    const url = 'https://pictures.example/a.png';
    const { parts, putBack } = take({
      messages: [
        user(
          { type: 'image', source: { type: 'url', url } },
          { type: 'document', source: { type: 'url', url } },
          { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'words' } },
          { type: 'document', source: { type: 'content', content: [text('more')] } },
        ),
      ],
    });
    expect(parts.map(({ source }) => source)).toEqual([
      { kind: 'remote', url },
      { kind: 'remote', url },
    ]);
    expect(JSON.stringify(putBack([[], []]))).toContain(
      '"text":"words"},{"type":"text","text":"more"',
    );
  });

  test('turns of one role that follow each other are one; a call ends its turn', () => {
    const call = { type: 'tool_use', id: 't', name: 'f', input: { a: 1 } };
    const { messages } = chat({
      system: [text('be'), text(' brief')],
      messages: [
        { role: 'user', content: 'one' },
        user(text('two')),
        {
          role: 'assistant',
          content: [{ type: 'thinking', thinking: 'hm', signature: 's' }, call],
        },
        user({ type: 'tool_result', tool_use_id: 't', content: [text('a'), text('b')] }),
        user({ type: 'tool_result', tool_use_id: 'u' }, text('three')),
      ],
    }) as { messages: unknown };
    expect(messages).toEqual([
      { role: 'system', content: 'be brief' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'one' },
          { type: 'text', text: 'two' },
        ],
      },
      {
        role: 'assistant',
        content: '',
        reasoning_content: 'hm',
        tool_calls: [{ id: 't', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
      },
      { role: 'tool', tool_call_id: 't', content: 'ab' },
      { role: 'tool', tool_call_id: 'u', content: '' },
      { role: 'user', content: [{ type: 'text', text: 'three' }] },
    ]);
  });

  test('a choice of tools in the words of a chat; one tool by its name is the only one', () => {
    const tools = ['a', 'b'].map((name) => ({ name, input_schema: { type: 'object' } }));
    const choose = (choice: object) => chat({ tools, tool_choice: choice });
    expect(choose({ type: 'auto' })['tool_choice']).toBeUndefined();
    expect(choose({ type: 'any', disable_parallel_tool_use: true })).toMatchObject({
      tool_choice: 'required',
      parallel_tool_calls: false,
    });
    expect(choose({ type: 'none' })).toMatchObject({ tool_choice: 'none' });
    const one = choose({ type: 'tool', name: 'b' });
    expect(one).toMatchObject({ tool_choice: 'required', tools: [{ function: { name: 'b' } }] });
    expect(one['tools']).toHaveLength(1);
    expect(() => choose({ type: 'tool', name: 'c' })).toThrow(/`tool_choice.name`/);
  });

  test('length, stops, thoughts and schema', () => {
    expect(
      chat({
        model: 'm',
        max_tokens: 5,
        top_k: 3,
        stream: true,
        stop_sequences: ['x'],
        thinking: { type: 'enabled', budget_tokens: 1024 },
        output_config: { effort: 'low', format: { type: 'json_schema', schema: { enum: [1] } } },
      }),
    ).toMatchObject({
      model: 'm',
      max_tokens: 5,
      top_k: 3,
      stop: ['x'],
      stream_options: { include_usage: true },
      chat_template_kwargs: { enable_thinking: true },
      thinking_budget_tokens: 1024,
      reasoning_effort: 'low',
      response_format: { type: 'json_schema', json_schema: { schema: { enum: [1] } } },
    });
    expect(chat({ thinking: { type: 'disabled' } })).toMatchObject({
      chat_template_kwargs: { enable_thinking: false },
    });
  });

  test('a schema that would hold the engine is refused here as in a chat', () => {
    const schema = { enum: Array.from({ length: 2000 }, (_, at) => at) };
    const costly = [
      { tools: [{ name: 'f', input_schema: schema }] },
      { output_config: { format: { type: 'json_schema', schema } } },
    ];
    for (const request of costly) expect(() => chat(request)).toThrow(/alternatives/);
  });

  test.each([
    [[user({ type: 'video' })], '`messages[0].content[0]` is a block of the type `video`'],
    [[{ role: 'assistant', content: [image('A')] }], '`messages[0].content[0]`'],
    [[user(text('a')), { role: 'user' }], '`messages[1].content`'],
    [[{ role: 'tool', content: 'x' }], '`messages[0].role`'],
    [[user({ type: 'text' })], '`messages[0].content[0].text`'],
    [[user({ type: 'image' })], '`messages[0].content[0].source`'],
    [
      [user({ type: 'tool_result', tool_use_id: 't', content: [{ type: 'x' }] })],
      '`messages[0].content[0].content[0]`',
    ],
    [
      [user({ type: 'document', source: base64('P'), citations: { enabled: true } })],
      '`messages[0].content[0].citations`',
    ],
  ])('%j is refused, and where it stands', (messages, where) => {
    expect(() => take({ messages })).toThrow(where);
  });
});
