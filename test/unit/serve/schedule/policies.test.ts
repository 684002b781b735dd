import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  NO_RATES,
  encodeMs,
  measured,
  retryAfterSeconds,
  tokensToEncode,
} from '../../../../src/serve/schedule/prediction.ts';
import { primeBody } from '../../../../src/serve/schedule/prime-body.ts';
import { SlotFileIndex, worthSaving } from '../../../../src/serve/schedule/slot-file-index.ts';
import { FULL_TRUST, trusts, withOutcome } from '../../../../src/serve/schedule/trust.ts';
import { prompt } from './pieces.ts';

describe('predictions', () => {
  const backlog = fc.record({
    mediaTokens: fc.nat(100_000),
    turns: fc.nat(500),
    slots: fc.integer({ min: 1, max: 32 }),
  });
  const rates = fc.record({ encodeMsPerToken: fc.nat(20), turnMs: fc.nat(60_000) });

  test('Retry-After is a whole number of seconds that grows with the work and shrinks with the slots', () => {
    fc.assert(
      fc.property(backlog, rates, fc.nat(1000), (work, measurements, more) => {
        const known = { ...NO_RATES, ...measurements };
        const seconds = retryAfterSeconds(known, work);
        expect(Number.isInteger(seconds) && seconds >= 1 && seconds <= 600).toBe(true);
        const withMore = {
          ...work,
          mediaTokens: work.mediaTokens + more,
          turns: work.turns + more,
        };
        expect(retryAfterSeconds(known, withMore)).toBeGreaterThanOrEqual(seconds);
        expect(retryAfterSeconds(known, { ...work, slots: work.slots + 1 })).toBeLessThanOrEqual(
          seconds,
        );
      }),
    );
  });

  test('Retry-After is the time of the encodes and turns that are waiting', () => {
    const known = { ...NO_RATES, encodeMsPerToken: 5, turnMs: 2000 };
    // Six images of 576 tokens, then six turns on four slots.
    expect(retryAfterSeconds(known, { mediaTokens: 6 * 576, turns: 6, slots: 4 })).toBe(21);
  });

  test('the first measurement replaces the guess, later ones move it towards themselves', () => {
    const first = measured(NO_RATES, 'encodeMsPerToken', 8);
    expect(encodeMs(first, 100)).toBe(800);
    const second = measured(first, 'encodeMsPerToken', 4);
    expect(encodeMs(second, 100)).toBeLessThan(800);
    expect(encodeMs(second, 100)).toBeGreaterThan(400);
  });

  test('an image that several wait for, or that is in a slot or a file, is not encoded again', () => {
    const waiting = ['s A x', 's A y', 's B', 's C', 's D', 't A'].map((text) => ({
      tenant: 'me',
      prefix: prompt(text),
    }));
    const hasFile = (_: string, digest: string) => digest === 's C';
    // Once A behind s, once D, once A behind t.
    expect(tokensToEncode(waiting, [prompt('s B z')], hasFile)).toBe(3 * 576);
  });
});

describe('slot files', () => {
  const limits = { totalBytes: 100, fileBytes: 60 };
  const file = (digest: string, bytes: number, tenant = 'me') => ({
    name: `${tenant}-${digest}`,
    tenant,
    digest,
    bytes,
  });

  test('never take more than the limit, and go in order of their last use', () => {
    const action = fc.record({
      digest: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      bytes: fc.integer({ min: 1, max: 70 }),
      use: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const index = new SlotFileIndex(limits);
        let order: string[] = [];
        for (const { digest, bytes, use } of actions) {
          if (use || index.has('me', digest)) {
            const held = index.hold('me', digest);
            expect(held !== null).toBe(order.includes(digest));
            if (held !== null) {
              index.release(held);
              order = [...order.filter((each) => each !== digest), digest];
            }
            continue;
          }
          const leaving = index.makeRoom(bytes);
          expect(leaving === null).toBe(bytes > limits.fileBytes);
          if (leaving === null) continue;
          expect(leaving.map((each) => each.digest)).toEqual(order.slice(0, leaving.length));
          order = [...order.slice(leaving.length), digest];
          index.add(file(digest, bytes));
          expect(index.bytes).toBeLessThanOrEqual(limits.totalBytes);
          expect(index.count).toBe(order.length);
        }
      }),
    );
  });

  test('of one tenant are not found by another', () => {
    const index = new SlotFileIndex(limits);
    index.add(file('a', 10, 'one'));
    expect(index.has('two', 'a')).toBe(false);
    expect(index.hold('two', 'a')).toBeNull();
    expect(index.has('one', 'a')).toBe(true);
  });

  test('that are being read stay, and make no room', () => {
    const index = new SlotFileIndex(limits);
    index.add(file('a', 50));
    index.add(file('b', 40));
    const held = index.hold('me', 'a');
    expect(index.makeRoom(60)).toBeNull();
    expect(index.makeRoom(30)?.map((each) => each.digest)).toEqual(['b']);
    if (held !== null) index.release(held);
    expect(index.makeRoom(60)?.map((each) => each.digest)).toEqual(['a']);
  });

  test('are written where that costs a quarter of an encode, or half when somebody waits', () => {
    const bytes = 288 * 2 ** 20;
    // LLaVA-1.5-7B: 288 MiB an image; at 1 GB/s that is 302 ms.
    expect(worthSaving({ bytes, encodeMs: 1000 }, null, false)).toBe(false);
    expect(worthSaving({ bytes, encodeMs: 1000 }, null, true)).toBe(true);
    expect(worthSaving({ bytes, encodeMs: 500 }, null, true)).toBe(false);
    expect(worthSaving({ bytes, encodeMs: 1300 }, null, false)).toBe(true);
  });
});

describe('trust', () => {
  test('is lost by two misses and more misses than hits, by each source for itself', () => {
    const once = withOutcome(FULL_TRUST, 'file', false);
    expect(trusts(once, 'file')).toBe(true);
    const twice = withOutcome(once, 'file', false);
    expect(trusts(twice, 'file')).toBe(false);
    expect(trusts(twice, 'slot')).toBe(true);
    const even = withOutcome(twice, 'file', true);
    expect(trusts(even, 'file')).toBe(false);
    expect(trusts(withOutcome(even, 'file', true), 'file')).toBe(true);
  });
});

describe('what is sent ahead', () => {
  test('is the same prompt and no answer', () => {
    const body = {
      messages: [{ role: 'user', content: 'x' }],
      tools: [{}],
      response_format: { type: 'json_object' },
      chat_template_kwargs: { enable_thinking: false },
      stream: true,
      stream_options: { include_usage: true },
      max_completion_tokens: 400,
      n: 3,
    };
    expect(primeBody(body, '/v1/chat/completions', 2)).toEqual({
      messages: body.messages,
      tools: body.tools,
      response_format: body.response_format,
      chat_template_kwargs: body.chat_template_kwargs,
      stream: false,
      max_tokens: 0,
      cache_prompt: true,
      id_slot: 2,
    });
    expect(primeBody({ input: 'x', max_output_tokens: 9 }, '/v1/responses', 0)).toEqual({
      input: 'x',
      stream: false,
      max_output_tokens: 0,
      cache_prompt: true,
      id_slot: 0,
    });
  });
});
