import { expect, test } from 'vitest';
import { Restarts } from '../../../src/serve/supervisor/restarts.ts';

const policy = { baseDelayMs: 10_000, maxDelayMs: 300_000, maxFruitlessCrashes: 3 };
const restarts = () => new Restarts(policy, () => 0);

test('the first crash waits for nothing, the next one backs off, the third is the last', () => {
  const tried = restarts();
  expect([tried.crashed(), tried.crashed(), tried.crashed()]).toEqual([0, 10_000, null]);
  expect(tried.fruitlessCrashes).toBe(3);
});

test('a request that is completed in a life begins the count anew; one of the life before does not', () => {
  const tried = restarts();
  expect([tried.crashed(), tried.crashed()]).toEqual([0, 10_000]);
  tried.requestCompleted();
  expect(tried.crashed()).toBe(0);
  expect(tried.fruitlessCrashes).toBe(0);
  tried.requestCompleted();
  tried.ready();
  expect([tried.crashed(), tried.crashed()]).toEqual([0, 10_000]);
});

test('clients are told the time until the next start, until it begins', async () => {
  const tried = restarts();
  const stopping = new AbortController();
  expect(tried.retryAfterSeconds).toBe(1);
  const waited = tried.wait(90_000, stopping.signal);
  expect(tried.retryAfterSeconds).toBeGreaterThan(1);
  stopping.abort();
  expect(await waited).toBe(false);
  tried.starting();
  expect(tried.retryAfterSeconds).toBe(1);
});
