import { expect, test } from 'vitest';
import {
  NOTHING_SEEN,
  slotsSample,
  stuckReason,
  watchOn,
  type ProgressSample,
} from '../../../src/serve/progress.ts';

const limits = { stallMs: 1000, silenceMs: 500 };
const slots = (busy: boolean, mark: string): ProgressSample => ({ kind: 'slots', busy, mark });

/** When the engine is given up, in samples of 100 ms; null: never. */
function stuckAfter(samples: readonly ProgressSample[]): number | null {
  let watch = NOTHING_SEEN;
  for (const [index, sample] of samples.entries()) {
    watch = watchOn(watch, sample, 100);
    if (stuckReason(watch, limits) !== null) return index;
  }
  return null;
}

const times = (count: number, sample: ProgressSample) =>
  Array.from({ length: count }, () => sample);

test('a request without progress is given up after the limit, counted from its last progress', () => {
  expect(stuckAfter(times(20, slots(true, 'a')))).toBe(10);
  expect(stuckAfter([...times(9, slots(true, 'a')), ...times(20, slots(true, 'b'))])).toBe(19);
});

test('idle engines and engines that get on are left alone', () => {
  expect(stuckAfter(times(50, slots(false, '')))).toBeNull();
  expect(
    stuckAfter(Array.from({ length: 50 }, (_, index) => slots(true, String(index)))),
  ).toBeNull();
});

test('silence is given up sooner, and anything heard ends it', () => {
  expect(stuckAfter(times(20, { kind: 'silent' }))).toBe(4);
  const rare = Array.from({ length: 20 }, (_, index): ProgressSample =>
    index % 4 === 3 ? slots(false, '') : { kind: 'silent' },
  );
  expect(stuckAfter(rare)).toBeNull();
});

test('a busy engine that tells nothing of its slots has the longer limit; one without slots none', () => {
  expect(stuckAfter(times(20, { kind: 'occupied' }))).toBe(9);
  expect(stuckAfter(times(50, { kind: 'untold' }))).toBeNull();
});

test('the reason names what was missed, and for how long', () => {
  const stalled = watchOn({ ...NOTHING_SEEN, mark: 'a' }, slots(true, 'a'), 1000);
  expect(stuckReason(stalled, limits)).toBe('its requests made no progress for 1 s');
  expect(stuckReason(watchOn(NOTHING_SEEN, { kind: 'silent' }, 500), limits)).toBe(
    'it answered nothing for 0.5 s',
  );
});

test('what llama-server says of its slots, in the forms of old and new builds', () => {
  const now = (n_decoded: number) => [
    {
      id: 0,
      id_task: 3,
      is_processing: true,
      n_prompt_tokens: 600,
      n_prompt_tokens_processed: 8,
      next_token: [{ has_next_token: true, n_decoded }],
      params: { seed: 1 },
    },
    { id: 1, is_processing: false },
  ];
  expect(slotsSample(now(0))).toMatchObject({ kind: 'slots', busy: true });
  expect(slotsSample(now(0))).toEqual(slotsSample(now(0)));
  expect(slotsSample(now(1))).not.toEqual(slotsSample(now(0)));
  const before = (n_decoded: number) => [{ id: 0, is_processing: true, next_token: { n_decoded } }];
  expect(slotsSample(before(1))).not.toEqual(slotsSample(before(2)));
  expect(slotsSample([{ id: 0, is_processing: false }])).toMatchObject({ busy: false });
  expect(slotsSample({ url: '/slots' })).toEqual({ kind: 'untold' });
});
