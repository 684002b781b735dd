import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  DEFAULT_RESTART_POLICY,
  decideRestart,
  type RestartDecision,
} from '../../../src/serve/restart-policy.ts';

const policy = { baseDelayMs: 10_000, maxDelayMs: 300_000, maxFruitlessCrashes: 9 };

function crashLoop(jitter: number): (number | 'give-up')[] {
  const delays: (number | 'give-up')[] = [];
  let count = 0;
  for (;;) {
    const decision: RestartDecision = decideRestart(
      count,
      { completedRequests: 0, jitter },
      policy,
    );
    count = decision.fruitlessCrashes;
    if (decision.action === 'give-up') return [...delays, 'give-up'];
    delays.push(decision.delayMs / 1000);
  }
}

test('a crash loop: at once, then min(10 * 2^(n-1), 300) s, then the circuit breaker', () => {
  expect(crashLoop(0)).toEqual([0, 10, 20, 40, 80, 160, 300, 300, 'give-up']);
});

test('jitter shortens by at most a fifth and never lengthens', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (jitter) => {
      const plain = crashLoop(0);
      return crashLoop(jitter).every((delay, index) => {
        const full = plain[index];
        if (typeof delay !== 'number' || typeof full !== 'number') return delay === full;
        return delay <= full && delay >= full * 0.8 - 0.001;
      });
    }),
  );
});

test('a crash after a completed request restarts at once and begins the count anew', () => {
  const decision = decideRestart(5, { completedRequests: 1, jitter: 0.5 }, policy);
  expect(decision).toEqual({ action: 'restart', delayMs: 0, fruitlessCrashes: 0 });
});

test('the default policy gives up', () => {
  const last = DEFAULT_RESTART_POLICY.maxFruitlessCrashes - 1;
  expect(decideRestart(last, { completedRequests: 0, jitter: 0 }, DEFAULT_RESTART_POLICY)).toEqual({
    action: 'give-up',
    fruitlessCrashes: last + 1,
  });
});
