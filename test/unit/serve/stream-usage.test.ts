import { expect, test } from 'vitest';
import { promptUsageOfEvents } from '../../../src/serve/gateway/chat/usage.ts';

test('the last event of a stream tells how much of the prompt its slot held', () => {
  const last = { choices: [], timings: { cache_n: 602, prompt_n: 1, predicted_n: 4 } };
  const events = Buffer.from(`data: ${JSON.stringify(last)}\n\ndata: [DONE]\n\n`);
  expect(promptUsageOfEvents(events)).toEqual({ promptTokens: 603, cachedTokens: 602 });
});

test('other events tell nothing, whatever words they hold', () => {
  const words = { choices: [{ delta: { content: '"timings":{"cache_n":1,"prompt_n":2}' } }] };
  expect(promptUsageOfEvents(Buffer.from(`data: ${JSON.stringify(words)}\n\n`))).toBeUndefined();
  expect(promptUsageOfEvents(Buffer.from('data: {"timings":{"cache_n":'))).toBeUndefined();
});
