import { expect, test } from 'vitest';
import { DEFAULT_QUARANTINE, Quarantine } from '../../../src/serve/quarantine.ts';

function quarantine(policy = DEFAULT_QUARANTINE) {
  let now = 0;
  const kept = new Quarantine(policy, () => now);
  return { kept, pass: (ms: number) => (now += ms) };
}

test('in flight at two crashes: refused for an hour, then asked again', () => {
  const { kept, pass } = quarantine();
  const request = kept.started(() => ['image']);
  kept.crashed();
  expect(kept.admit(() => ['image'])).toBeNull();
  pass(1000);
  kept.crashed();
  request.finished('gone');
  expect(kept.admit(() => ['other', 'image'])).toEqual({
    digest: 'image',
    crashes: 2,
    retryAfterSeconds: 3600,
  });
  pass(3_599_999);
  expect(kept.admit(() => ['image'])).toMatchObject({ retryAfterSeconds: 1 });
  pass(1);
  expect(kept.admit(() => ['image'])).toBeNull();
});

test('the same content sent again by another request counts as the same suspect', () => {
  const { kept } = quarantine();
  for (const crash of [1, 2]) {
    const request = kept.started(() => ['image']);
    kept.crashed();
    request.finished('gone');
    expect(kept.admit(() => ['image'])?.crashes).toBe(crash === 1 ? undefined : 2);
  }
});

test('what the engine completes is cleared, and what had ended before the crash is no suspect', () => {
  const { kept } = quarantine();
  const first = kept.started(() => ['image']);
  kept.crashed();
  first.finished('completed');
  const second = kept.started(() => ['image']);
  kept.crashed();
  second.finished('gone');
  expect(kept.admit(() => ['image'])).toBeNull();
  kept.started(() => ['ended']).finished('gone');
  kept.crashed();
  kept.crashed();
  expect(kept.admit(() => ['ended'])).toBeNull();
});

test('among others the time is short; alone at one of the crashes it is long', () => {
  const { kept } = quarantine();
  const guilty = kept.started(() => ['guilty']);
  const other = kept.started(() => ['other']);
  kept.crashed();
  kept.crashed();
  expect(kept.admit(() => ['guilty'])?.retryAfterSeconds).toBe(300);
  other.finished('gone');
  kept.crashed();
  guilty.finished('gone');
  expect(kept.admit(() => ['guilty'])).toMatchObject({ crashes: 3, retryAfterSeconds: 3600 });
  expect(kept.admit(() => ['other'])?.retryAfterSeconds).toBe(300);
});

test('one request with the same image twice is one suspicion', () => {
  const { kept } = quarantine();
  kept.started(() => ['image', 'image']);
  kept.crashed();
  expect(kept.admit(() => ['image'])).toBeNull();
});

test('two crashes far apart are no pattern', () => {
  const { kept, pass } = quarantine();
  kept.started(() => ['image']);
  kept.crashed();
  pass(3_600_000);
  kept.crashed();
  expect(kept.admit(() => ['image'])).toBeNull();
});

test('memory is bounded: the oldest suspects go first; another engine starts afresh', () => {
  const { kept } = quarantine({ ...DEFAULT_QUARANTINE, capacity: 2 });
  for (const digest of ['a', 'b', 'c']) {
    const request = kept.started(() => [digest]);
    kept.crashed();
    kept.crashed();
    request.finished('gone');
  }
  expect(['a', 'b', 'c'].map((digest) => kept.admit(() => [digest]) === null)).toEqual([
    true,
    false,
    false,
  ]);
  kept.reset();
  expect(kept.admit(() => ['c'])).toBeNull();
});
