import type OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { jsonlRow } from '../../../../src/estimate/manifest/jsonl.ts';
import type { ManifestPart } from '../../../../src/estimate/manifest/types.ts';

type Chat = OpenAI.Chat.Completions.ChatCompletionCreateParamsNonStreaming;
type Responses = OpenAI.Responses.ResponseCreateParamsNonStreaming;

/** A PNG of one pixel, as browsers know it. */
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const row = (value: unknown) =>
  jsonlRow({ number: 7, text: JSON.stringify(value), problem: null }, 'data');
const batch = (url: string, body: unknown) => row({ custom_id: 'r1', method: 'POST', url, body });
const chat = (body: Chat) => batch('/v1/chat/completions', body);
const responses = (body: Responses) => batch('/v1/responses', body);

const brief = (part: ManifestPart) => {
  switch (part.kind) {
    case 'described':
      return [part.input.input, part.input.text];
    case 'file':
      return [part.path, part.modality, part.detail];
    case 'bytes':
      return [part.name, part.modality, part.mediaType, part.bytes.length, part.detail];
    case 'url':
      return [part.url, part.modality, part.detail];
    case 'unreadable':
      return [part.entry.path, part.entry.reason];
  }
};
const parts = (found: ReturnType<typeof row>) => {
  expect(found.problem).toBeNull();
  return found.parts.map(brief);
};

describe('chat completions, as the openai package types them', () => {
  it('takes texts, pictures and sounds of all messages, in order', () => {
    const found = chat({
      model: 'gpt-4o',
      max_completion_tokens: 300,
      n: 2,
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            {
              type: 'image_url',
              image_url: { url: `data:image/png;base64,${PIXEL}`, detail: 'low' },
            },
            { type: 'image_url', image_url: { url: 'https://example.org/a.png' } },
            { type: 'input_audio', input_audio: { data: PIXEL, format: 'wav' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'c1', type: 'function', function: { name: 'look', arguments: '{"at":1}' } },
          ],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'A dot.' },
      ],
    });
    expect(parts(found)).toEqual([
      ['r1: messages[0].content', 'Be brief.'],
      ['r1: messages[1].content[0]', 'What is this?'],
      ['r1: messages[1].content[1]', 'image', 'image/png', 70, 'low'],
      ['https://example.org/a.png', 'image', null],
      ['r1: messages[1].content[3]', 'audio', 'audio/wav', 70, null],
      ['r1: messages[2].tool_calls[0]', 'look {"at":1}'],
      ['r1: messages[3].content', 'A dot.'],
    ]);
    expect(found).toMatchObject({
      key: 'r1',
      settings: { model: 'gpt-4o', outputTokens: 600 },
      messages: [
        { role: 'system', parts: 1 },
        { role: 'user', parts: 4 },
        { role: 'assistant', parts: 1 },
        { role: 'tool', parts: 1 },
      ],
    });
  });

  it('counts definitions of tools as the text that they are', () => {
    const tools: Chat['tools'] = [
      { type: 'function', function: { name: 'look', parameters: { type: 'object' } } },
    ];
    const found = chat({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }], tools });
    expect(parts(found)).toEqual([
      ['r1: tools', JSON.stringify(tools)],
      ['r1: messages[0].content', 'Hi'],
    ]);
  });

  it('lists what only the vendor has, and counts the rest', () => {
    const found = chat({
      model: 'gpt-4o',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'file', file: { file_id: 'file-1' } },
            { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } }, // prettier-ignore
            { type: 'text', text: 'Sum it up' },
          ],
        },
      ],
    });
    expect(parts(found)).toEqual([
      ['r1: messages[0].content[0]', 'file "file-1" is on the vendor\'s server only'],
      ['r1: messages[0].content[1]', 'document', 'application/pdf', 5, null],
      ['r1: messages[0].content[2]', 'Sum it up'],
    ]);
  });

  it('takes paths, and the parts of vLLM, without the envelope of a batch', () => {
    const found = row({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: 'a.png' },
            { type: 'video_url', video_url: { url: 'file:///srv/a.mp4' } },
            { type: 'audio_url', audio_url: { url: 'b.wav' } },
            { type: 'image', image: 'c.png' },
          ],
        },
      ],
      max_tokens: 5,
    });
    expect(parts(found)).toEqual([
      ['data/a.png', 'image', null],
      ['/srv/a.mp4', 'video', null],
      ['data/b.wav', 'audio', null],
      ['data/c.png', 'image', null],
    ]);
    expect(found).toMatchObject({ key: 'line 7', settings: { outputTokens: 5 } });
  });
});

describe('responses, as the openai package types them', () => {
  it('takes a text', () => {
    const found = responses({ model: 'gpt-5.1', input: 'Hi', instructions: 'Be brief.' });
    expect(parts(found)).toEqual([
      ['r1: instructions', 'Be brief.'],
      ['r1: input', 'Hi'],
    ]);
    expect(found.messages?.map(({ role }) => role)).toEqual(['system', 'user']);
  });

  it('takes a list of messages, calls and their results', () => {
    const found = responses({
      model: 'gpt-5.1',
      max_output_tokens: 40,
      previous_response_id: 'resp_1',
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'What is this?' },
            { type: 'input_image', image_url: `data:image/png;base64,${PIXEL}`, detail: 'high' },
            { type: 'input_image', file_id: 'file-2', detail: 'auto' },
          ],
        },
        { type: 'function_call', call_id: 'c', name: 'look', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c', output: 'A dot.' },
        { type: 'item_reference', id: 'i1' },
      ],
    });
    expect(parts(found)).toEqual([
      ['r1: previous_response_id', "an earlier answer that only the vendor's server holds"],
      ['r1: input[0].content[0]', 'What is this?'],
      ['r1: input[0].content[1]', 'image', 'image/png', 70, 'high'],
      ['r1: input[0].content[2]', 'file "file-2" is on the vendor\'s server only'],
      ['r1: input[1]', 'look {}'],
      ['r1: input[2].output', 'A dot.'],
      ['r1: input[3]', 'items of type "item_reference" are not counted'],
    ]);
    expect(found.settings).toEqual({ model: 'gpt-5.1', outputTokens: 40 });
  });
});

describe("Anthropic's batches", () => {
  it('takes system prompt, pictures and documents', () => {
    const found = row({
      custom_id: 'a1',
      params: {
        model: 'claude-sonnet-4-5',
        max_tokens: 100,
        system: [{ type: 'text', text: 'Be brief.' }],
        messages: [
          {
            role: 'user',
            content: [
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
              { type: 'image', source: { type: 'url', url: 'https://example.org/a.png' } },
              { type: 'image', source: { type: 'file', file_id: 'f' } },
              {
                type: 'document',
                source: { type: 'text', media_type: 'text/plain', data: 'Once' },
              },
              { type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'Two' }] },
            ],
          },
        ],
      },
    });
    expect(parts(found)).toEqual([
      ['a1: system[0]', 'Be brief.'],
      ['a1: messages[0].content[0]', 'image', 'image/png', 70, null],
      ['https://example.org/a.png', 'image', null],
      ['a1: messages[0].content[2]', 'file "f" is on the vendor\'s server only'],
      ['a1: messages[0].content[3]', 'Once'],
      ['a1: messages[0].content[4].content[0]', 'Two'],
    ]);
    expect(found.settings).toEqual({ model: 'claude-sonnet-4-5', outputTokens: 100 });
  });
});

describe('requests that cannot be read', () => {
  const ask = (content: unknown) => ({ messages: [{ role: 'user', content }] });
  it.each([
    [{ custom_id: 'a', body: 3 }, 'body: 3 is no object'],
    [{ custom_id: 3, body: ask('a') }, 'custom_id: 3 is no name'],
    [{ method: 'GET', body: ask('a') }, 'method: "GET" is not "POST"'],
    [{ url: '/v1/embeddings', body: { input: 'a' } }, 'url: "/v1/embeddings" is none of /chat/completions, /responses, /messages'], // prettier-ignore
    [{ url: '/v1/responses', body: ask('a') }, 'body: no input, which /responses needs'],
    [{ body: {} }, 'body: neither messages nor input'],
    [{ messages: 'hi' }, 'messages: "hi" is no list'],
    [{ messages: [] }, 'messages: an empty list'],
    [{ messages: [3] }, 'messages[0]: 3 is no object'],
    [{ messages: [{ content: 'a' }] }, 'messages[0].role: nothing is no role'],
    [{ ...ask('a'), count: 2 }, 'count: a request has none, each is a line of its own'],
    [{ ...ask('a'), max_tokens: 'all' }, 'max_tokens: "all" is no whole number'],
    [{ ...ask('a'), n: 0.5 }, 'n: 0.5 is no whole number'],
    [{ ...ask('a'), model: 4 }, 'model: 4 is no name'],
    [ask(3), 'messages[0].content: 3 is neither text nor a list'],
    [ask([3]), 'messages[0].content[0]: 3 is no object'],
    [ask([{ text: 'a' }]), 'messages[0].content[0]: a part without a type'],
    [ask([{ type: 'text' }]), 'messages[0].content[0].text: nothing is no text'],
    [
      ask([{ type: 'image_url', image_url: {} }]),
      'messages[0].content[0].image_url: {} is no address',
    ],
    [ask([{ type: 'image_url', image_url: { url: 'a', detail: 'all' } }]), 'messages[0].content[0].detail: "all" is not one of low, high, original, auto'], // prettier-ignore
    [ask([{ type: 'input_audio', input_audio: { format: 'wav' } }]), 'messages[0].content[0].input_audio.data: nothing is no base64'], // prettier-ignore
    [ask([{ type: 'input_audio', input_audio: { data: '****' } }]), 'messages[0].content[0]: base64 without a single byte'], // prettier-ignore
    [
      ask([{ type: 'image', source: 'a.png' }]),
      'messages[0].content[0].source: "a.png" is no object',
    ],
    [{ input: [] }, 'input: an empty list'],
    [{ input: [{ content: 'a' }] }, 'input[0].role: nothing is no role'],
    [{ messages: [{ role: 'assistant', tool_calls: [{}] }] }, 'messages[0].tool_calls[0]: no function in it'], // prettier-ignore
  ])('%j', (value, problem) => {
    expect(row(value)).toMatchObject({ parts: [], problem: `line 7: ${problem}` });
  });

  it('lists a part of a type that is not known here', () => {
    expect(parts(row(ask([{ type: 'hologram' }, 'plain'])))).toEqual([
      ['line 7: messages[0].content[0]', 'parts of type "hologram" are not counted'],
      ['line 7: messages[0].content[1]', 'plain'],
    ]);
  });
});
