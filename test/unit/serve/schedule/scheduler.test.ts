import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { GatewayError } from '../../../../src/serve/gateway/errors.ts';
import type { Turn } from '../../../../src/serve/seams.ts';
import { fakeEngine, settled } from './fake-engine.ts';

/** What a promise has come to by now. */
async function now<T>(promise: Promise<T>): Promise<T | 'waits' | GatewayError> {
  let state: T | 'waits' | GatewayError = 'waits';
  promise.then(
    (value) => (state = value),
    (error: unknown) => {
      if (!(error instanceof GatewayError)) throw error;
      state = error;
    },
  );
  await settled();
  return state;
}

async function granted(promise: Promise<Turn>): Promise<Turn> {
  const turn = await now(promise);
  if (turn === 'waits' || turn instanceof GatewayError) throw new Error(`no turn: ${String(turn)}`);
  return turn;
}

describe('images', () => {
  test('one is encoded at a time, and words go on meanwhile', async () => {
    const { take, encoded, done } = fakeEngine({ slots: 4 });
    const first = take('s A');
    const second = take('s B');
    (await granted(take('t'))).end('done');
    expect(done).toEqual(['prime 0 s A']);
    await encoded();
    expect((await granted(first)).media).toBe('none');
    expect(await now(second)).toBe('waits');
    await encoded();
    expect((await granted(second)).encodeMs).toBeGreaterThan(0);
  });

  test('the same new one from three clients is encoded once, and loaded into two more slots', async () => {
    const { take, encoded, done } = fakeEngine({ slots: 3 });
    const turns = ['s A x', 's A y', 's A z'].map((text) => take(text));
    await encoded();
    const given = await Promise.all(turns.map(granted));
    expect(given.map((turn) => turn.slot).sort()).toEqual([0, 1, 2]);
    expect(given.map((turn) => turn.media)).toEqual(['none', 'kv', 'kv']);
    expect(done).toEqual([
      'prime 0 s A x',
      'save 0 1-1.slot',
      'restore 1 1-1.slot',
      'restore 2 1-1.slot',
    ]);
  });

  test('an engine that cannot save: the others wait for the slot that has it', async () => {
    const { take, encoded, done } = fakeEngine({ slots: 3, cannotSave: true });
    const first = take('s A x');
    const second = take('s A y');
    await encoded();
    const turn = await granted(first);
    expect(await now(second)).toBe('waits');
    turn.end('done');
    expect(await granted(second)).toMatchObject({ slot: 0, held: 2, media: 'kv' });
    expect(done.filter((what) => what.startsWith('prime'))).toHaveLength(1);
  });

  test('a file that does not load is deleted, and the image encoded again', async () => {
    const { take, encoded, done } = fakeEngine({ slots: 2, cannotRestore: true });
    const first = take('s A x');
    await encoded();
    await granted(first);
    const second = take('s A y');
    await settled();
    expect(done.slice(2)).toEqual(['restore 1 1-1.slot', 'delete 1-1.slot']);
    (await granted(first)).end('done');
    expect((await granted(second)).media).toBe('kv');
  });

  test('promises that the engine does not keep are made twice, then not any more', async () => {
    const { scheduler, take, encoded, done } = fakeEngine({ slots: 1 });
    for (const text of ['s A a', 's A b', 's A c', 's A d', 's A e', 's A f', 's A g', 's A h']) {
      const asked = take(text);
      await encoded();
      // The engine found nothing in the slot, although the prompt was sent ahead.
      (await granted(asked)).end('done', { promptTokens: 600, cachedTokens: 3 });
    }
    // Sent ahead, found in the slot, loaded from a file: each was tried twice.
    expect(scheduler.stats()).toMatchObject({ missedHits: 6, encoding: false });
    expect(done.filter((what) => what.startsWith('prime'))).toHaveLength(2);
  });
});

describe('clients that leave', () => {
  test('while they wait: nothing is started for them', async () => {
    const { scheduler, take, done } = fakeEngine({ slots: 1 });
    const turn = await granted(take('t'));
    const client = new AbortController();
    const left = take('s A', { signal: client.signal });
    client.abort();
    expect(await now(left)).toMatchObject({ status: 499 });
    turn.end('done');
    await settled();
    expect(done).toEqual([]);
    expect(scheduler.stats()).toMatchObject({ queued: 0, busySlots: 0, encoding: false });
  });

  test('while their image is encoded: the next waits for the engine, and finds it encoded', async () => {
    const { take, encoded } = fakeEngine({ slots: 2 });
    const client = new AbortController();
    const left = take('s A x', { signal: client.signal });
    await settled();
    client.abort();
    expect(await now(left)).toMatchObject({ status: 499 });
    const other = take('s B');
    expect(await now(other)).toBe('waits');
    await encoded();
    expect((await granted(take('s A y'))).media).toBe('kv');
    await encoded();
    (await granted(other)).end('done');
  });

  test('while they are answered: the slot is taken until the engine has let go', async () => {
    const { take, atWork } = fakeEngine({ slots: 1 });
    const turn = await granted(take('t'));
    atWork.add(0);
    turn.end('aborted');
    const next = take('u');
    expect(await now(next)).toBe('waits');
    atWork.delete(0);
    expect((await next).slot).toBe(0);
  });

  test('the reason of a deadline is what they are told', async () => {
    const { take } = fakeEngine({ slots: 1 });
    await granted(take('t'));
    const deadline = new AbortController();
    const late = take('u', { signal: deadline.signal });
    const error = new GatewayError(504, 'request_timeout', 'too late');
    deadline.abort(error);
    expect(await now(late)).toBe(error);
  });
});

describe('the queue', () => {
  test('is bounded, and says when to come again', async () => {
    const { scheduler, take } = fakeEngine({ slots: 1 }, { queueLimit: 2 });
    await granted(take('t'));
    const waiting = ['u', 'v'].map((text) => take(text));
    const refused = await now(take('w'));
    expect(refused).toMatchObject({ status: 429, code: 'queue_full', retryAfter: 3 });
    for (const each of waiting) expect(await now(each)).toBe('waits');
    expect(scheduler.stats()).toMatchObject({ queued: 2, refused: 1 });
  });

  test('ten times more requests than it holds: each is answered, the rest refused at once', async () => {
    const { scheduler, take } = fakeEngine({ slots: 2 }, { queueLimit: 8 });
    (await granted(take('t'))).end('done');
    let refused = 0;
    let served = 0;
    const asked = Array.from({ length: 100 }, async (_, number) => {
      const turn = await take(`t${number}`).catch((error: unknown) => error);
      if (turn instanceof GatewayError) refused += 1;
      else {
        served += 1;
        await settled();
        (turn as Turn).end('done');
      }
    });
    await Promise.all(asked);
    expect({ refused, served }).toEqual({ refused: 90, served: 10 });
    expect(scheduler.stats()).toMatchObject({ queued: 0, busySlots: 0 });
  });

  test('full of one tenant, it makes room for another', async () => {
    const { take } = fakeEngine({ slots: 1 }, { queueLimit: 3 });
    const running = await granted(take('t'));
    const flood = ['u', 'v', 'w'].map((text) => take(text, { tenant: 'flood' }));
    const other = take('x', { tenant: 'other' });
    expect(await now(flood[2] ?? other)).toMatchObject({ status: 429 });
    running.end('done');
    // Both stand level; who came first is first, and then it is the other's turn.
    (await granted(flood[0] ?? other)).end('done');
    (await granted(other)).end('done');
    (await granted(flood[1] ?? other)).end('done');
  });

  test('images leave a slot to words where there are any', async () => {
    const { take, encoded } = fakeEngine({ slots: 2 });
    (await granted(take('t'))).end('done');
    const first = take('s A');
    const second = take('s B');
    await encoded();
    const turn = await granted(first);
    expect(await now(second)).toBe('waits');
    (await granted(take('u'))).end('done');
    turn.end('done');
    await encoded();
    (await granted(second)).end('done');
  });

  test('of a server that stops tells so', async () => {
    const { scheduler, take } = fakeEngine({ slots: 1 });
    await granted(take('t'));
    const waits = take('u');
    await scheduler.close();
    expect(await now(waits)).toMatchObject({ status: 503, code: 'server_stopping' });
  });
});

describe('an engine that dies', () => {
  test('in an encode: that request gets an error that may be replayed, the others the next engine', async () => {
    const { take, encoded, die, done } = fakeEngine({ slots: 2 });
    const first = take('s A');
    const second = take('s A x');
    await settled();
    await die();
    expect(await now(first)).toMatchObject({ status: 502, code: 'engine_lost' });
    await encoded();
    (await granted(second)).end('done');
    expect(done.filter((what) => what.startsWith('prime'))).toEqual([
      'prime 0 s A',
      'prime 0 s A x',
    ]);
  });

  test('takes its slots and files with it', async () => {
    const { take, encoded, die, done } = fakeEngine({ slots: 1 });
    const first = take('s A');
    await encoded();
    const turn = await granted(first);
    await die();
    turn.end('lost');
    const second = take('s A x');
    await encoded();
    expect((await granted(second)).media).toBe('none');
    expect(done).toContain('delete 1-1.slot');
  });
});

describe('isolated tenants', () => {
  test('get an emptied slot, or none at all', async () => {
    const good = fakeEngine({ slots: 1 }, { isolateTenants: true });
    (await granted(good.take('t', { tenant: 'one' }))).end('done');
    (await granted(good.take('t', { tenant: 'two' }))).end('done');
    expect(good.done).toEqual(['erase 0']);
    const bad = fakeEngine({ slots: 1, cannotErase: true }, { isolateTenants: true });
    (await granted(bad.take('t', { tenant: 'one' }))).end('done');
    const refused = bad.take('t', { tenant: 'two' });
    expect(await now(refused)).toMatchObject({ status: 503, code: 'isolation_failed' });
  });
});

describe('with time', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  test('a request that waited too long for a slot is told so', async () => {
    const { scheduler, take } = fakeEngine({ slots: 1 }, { waitLimitMs: 30_000 });
    await granted(take('t'));
    const late = take('u');
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await now(late)).toMatchObject({ status: 504, code: 'queue_timeout' });
    expect(scheduler.stats().queued).toBe(0);
  });

  test('waiting for a busy slot costs no more than encoding again would', async () => {
    const { take, encoded, done } = fakeEngine({ slots: 2, cannotSave: true });
    const first = take('s A x');
    const second = take('s A y');
    await encoded();
    await granted(first);
    await settled();
    expect(done.filter((what) => what.startsWith('prime'))).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1000);
    await encoded();
    expect(await granted(second)).toMatchObject({ slot: 1, media: 'none' });
  });

  test('after an encode words come first, for a tenth of its time at most', async () => {
    let clock = 0;
    const { take, encoded, done } = fakeEngine({ slots: 3 }, { now: () => clock });
    const first = take('s A');
    await settled();
    clock = 1000;
    const [second, words, third] = [take('s B'), take('t'), take('s C')];
    await encoded();
    (await granted(first)).end('done');
    // The words are on their way: the second image waits for their first token …
    const turn = await granted(words);
    expect(await now(second)).toBe('waits');
    expect(done.filter((what) => what.startsWith('prime'))).toHaveLength(1);
    turn.begun();
    await settled();
    expect(done.filter((what) => what.startsWith('prime'))).toHaveLength(2);
    // … but not for ever.
    await granted(take('u'));
    clock = 2000;
    await encoded();
    (await granted(second)).end('done');
    expect(done.filter((what) => what.startsWith('prime'))).toHaveLength(2);
    clock = 2100;
    await vi.advanceTimersByTimeAsync(100);
    await encoded();
    (await granted(third)).end('done');
  });
});
