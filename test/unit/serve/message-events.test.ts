import { describe, expect, test } from 'vitest';
import { errorEvent } from '../../../src/serve/gateway/errors.ts';
import { MessageEvents } from '../../../src/serve/gateway/messages/message-events.ts';

const chunk = (delta: object, more: object = {}) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', choices: [{ index: 0, delta, finish_reason: null }], ...more })}\n\n`;
const names = (events: string) => [...events.matchAll(/^event: (.*)$/gm)].map(([, name]) => name);

describe('a chat stream as the events of a message', () => {
  test('what the prompt cost stands at the beginning; the role alone is no beginning', () => {
    const message = new MessageEvents();
    expect(message.translate(chunk({ role: 'assistant', content: null }))).toBe('');
    const first = message.translate(
      chunk({ content: 'a' }, { timings: { cache_n: 3, prompt_n: 4 } }),
    );
    expect(names(first)).toEqual(['message_start', 'content_block_start', 'content_block_delta']);
    expect(first).toContain(
      '"input_tokens":4,"cache_creation_input_tokens":0,"cache_read_input_tokens":3',
    );
    expect(first).toContain('"id":"msg_1"');
  });

  test('one block at a time: each other kind ends the one before', () => {
    const message = new MessageEvents();
    const call = (index: number) => ({ tool_calls: [{ index, id: '', function: { name: 'f' } }] });
    const events = [{ content: 'a' }, call(0), call(1), { content: 'b' }].map((delta) =>
      message.translate(chunk(delta)),
    );
    const indices = [...events.join('').matchAll(/"(content_block_st\w+)","index":(\d)/g)];
    expect(indices.map(([, type, index]) => `${String(type).slice(14)} ${String(index)}`)).toEqual([
      'start 0',
      'stop 0',
      'start 1',
      'stop 1',
      'start 2',
      'stop 2',
      'start 3',
    ]);
    // A client sends a call's name back with its result.
    expect(events[2]).toContain('"id":"toolu_1"');
  });

  test('an answer without a word is a message too', () => {
    const message = new MessageEvents();
    const last = { choices: [{ delta: {}, finish_reason: 'stop' }] };
    const events = message.translate(`data: ${JSON.stringify(last)}\n\ndata: [DONE]\n\n`);
    expect(names(events)).toEqual(['message_start', 'message_delta', 'message_stop']);
    expect(message.finish()).toBe('');
  });

  test('signs of life are pings', () => {
    expect(names(new MessageEvents().translate(':\n\n'))).toEqual(['ping']);
  });

  test.each([
    ['nothing more', ''],
    ['the end without a reason', 'data: [DONE]\n\n'],
    ['what is no JSON', 'data: {"choices":[{"del\n\n'],
  ])('cut off by %s: one error, and nothing after it', (_name, rest) => {
    const message = new MessageEvents();
    message.translate(chunk({ content: 'a' }));
    const events = message.translate(rest) + message.finish();
    expect(names(events)).toEqual(['error']);
    expect(events).toContain('"code":"engine_lost"');
    expect(message.translate(chunk({ content: 'b' })) + message.finish()).toBe('');
  });

  test("the gateway's own errors keep code and speaker, the engine's have none", () => {
    const ours = new MessageEvents().translate(errorEvent(503, 'server_stopping', 'it stops'));
    expect(ours).toContain(
      '{"type":"error","error":{"type":"overloaded_error","message":"it stops","code":"server_stopping"},"src":"mmdeploy"}',
    );
    const its = new MessageEvents().translate(
      'data: {"error":{"code":400,"message":"no","type":"x"}}\n\n',
    );
    expect(its).toContain(
      'data: {"type":"error","error":{"type":"invalid_request_error","message":"no"}}',
    );
  });
});
