import { describe, expect, test } from 'vitest';
import { takeResponsesApart } from '../../../../src/serve/gateway/chat/responses-request.ts';

const data = (bytes: string) => `data:image/png;base64,${Buffer.from(bytes).toString('base64')}`;
const image = (bytes: string) => ({ type: 'input_image', image_url: data(bytes) });
const text = (words: string) => ({ type: 'input_text', text: words });
const file = (key: string) => ({ kind: 'image', url: `file://${key}.png` }) as const;

describe('takeResponsesApart', () => {
  const request = {
    instructions: 'be brief',
    input: [
      { role: 'user', content: [text('one'), image('A'), text('two')] },
      { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c', output: [image('B')] },
      {
        role: 'user',
        content: [{ type: 'input_file', file_data: 'data:application/pdf;base64,JVBERg==' }],
      },
      { role: 'user', content: 'three' },
    ],
  };

  test('images of messages, of tools and files, in order, each with its place', () => {
    const { parts } = takeResponsesApart(request);
    expect(parts.map(({ place }) => place)).toEqual([
      'input[0].content[1]',
      'input[2].output[0]',
      'input[3].content[0]',
    ]);
    expect(parts[0]?.source).toEqual({ kind: 'base64', text: 'QQ==' });
  });

  test('what was prepared stands where it stood; a file may be several images', () => {
    const { putBack } = takeResponsesApart(request);
    const pages = (name: string) => ({ type: 'input_image', image_url: `file://${name}.png` });
    expect(putBack([[file('a')], [file('b')], [file('p1'), file('p2')]])).toEqual({
      ...request,
      input: [
        { role: 'user', content: [text('one'), pages('a'), text('two')] },
        request.input[1],
        { type: 'function_call_output', call_id: 'c', output: [pages('b')] },
        { role: 'user', content: [pages('p1'), pages('p2')] },
        request.input[4],
      ],
    });
  });

  test('the pieces know order and words: what differs in the prompt differs in them', () => {
    const words = (input: unknown, more: object = {}) =>
      JSON.stringify(takeResponsesApart({ input, ...more }).pieces);
    const one = [{ role: 'user', content: [text('a'), image('A')] }];
    expect(words(one)).toBe(words([{ role: 'user', content: [text('a'), image('B')] }]));
    for (const other of [
      words([{ role: 'user', content: [image('A'), text('a')] }]),
      words([{ role: 'system', content: [text('a'), image('A')] }]),
      words(one, { instructions: 'x' }),
      words(one, { tools: [{}] }),
    ]) {
      expect(other).not.toBe(words(one));
    }
    expect(words('hi')).not.toBe(words('ho'));
  });

  test("`text.format` becomes a chat's `response_format`, which the engine obeys", () => {
    const schema = { type: 'object', properties: {} };
    const put = (request_: Readonly<Record<string, unknown>>) =>
      takeResponsesApart({ input: 'x', ...request_ }).putBack([]);
    expect(put({ text: { format: { type: 'json_schema', name: 'n', schema } } })).toEqual({
      input: 'x',
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema } },
    });
    expect(put({ text: { format: { type: 'json_object' } } })).toEqual({
      input: 'x',
      response_format: { type: 'json_object' },
    });
    expect(put({ text: { format: { type: 'text' }, verbosity: 'low' } })).toEqual({ input: 'x' });
  });

  test.each([
    [{ type: 'input_image', file_id: 'file-1' }, /holds no input_image/],
    [{ type: 'input_image', image_url: 'file:///etc/passwd' }, /media are sent as a data URI/],
    [{ type: 'input_image', image_url: { url: data('A') } }, /holds no input_image/],
    [{ type: 'input_file', file_data: 'JVBERg==' }, /data URI/],
  ])('%j is 400 and named', (part, message) => {
    const take = () => takeResponsesApart({ input: [{ role: 'user', content: [part] }] });
    expect(take).toThrow(message);
    expect(take).toThrow(/input\[0\]\.content\[0\]/);
  });
});
