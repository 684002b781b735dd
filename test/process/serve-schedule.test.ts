import { once } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { GatewayError } from '../../src/serve/gateway/errors.ts';
import { REAL_ENGINE } from '../helpers/serve-engine.ts';
import { forgetfulModel, isBusy, scheduledEngine } from '../helpers/serve-schedule.ts';

const UNTIL = { timeout: 20_000, interval: 20 };

describe.skipIf(REAL_ENGINE === '')('turns on the slots of the real llama-server', () => {
  test('four requests for the same new image at once: one encode, on four slots', async () => {
    const engine = await scheduledEngine(4);
    const asked = await Promise.all(
      ['be A one', 'be A two', 'be A three', 'be A four'].map((text) => engine.ask(text)),
    );
    expect(engine.encodes()).toBe(1);
    expect(new Set(asked.map(({ turn }) => turn.slot)).size).toBe(4);
    expect(asked.map(({ turn }) => turn.media).sort()).toEqual(['kv', 'kv', 'kv', 'none']);
    for (const { usage } of asked) expect(usage.cachedTokens).toBeGreaterThan(576);
    expect(engine.scheduler.stats()).toMatchObject({ encodes: 1, hits: 3, missedHits: 0 });
  });

  test('a mix of repeats on two slots: one encode for each image, and never a wrong promise', async () => {
    const engine = await scheduledEngine(2);
    const images = ['A', 'B', 'C', 'D', 'E'];
    for (let round = 0; round < 4; round++) {
      await Promise.all(images.map((image) => engine.ask(`be ${image} q${round}`)));
    }
    expect(engine.encodes()).toBe(images.length);
    expect(engine.scheduler.stats()).toMatchObject({
      encodes: 5,
      hits: 15,
      missedHits: 0,
      busySlots: 0,
    });
  });

  test('the second image of a conversation is encoded on top of the first', async () => {
    const engine = await scheduledEngine(2);
    await engine.ask('be A one');
    const { turn } = await engine.ask('be A one B two');
    expect(turn).toMatchObject({ held: 3, media: 'none' });
    expect(engine.encodes()).toBe(2);
  });

  test('images without slot files: others wait for the slot that has theirs', async () => {
    const engine = await scheduledEngine(2, { files: null });
    await Promise.all([engine.ask('be A one'), engine.ask('be A two'), engine.ask('be A three')]);
    expect(engine.files()).toEqual([]);
    expect(engine.scheduler.stats().busySlots).toBe(0);
    expect(engine.encodes()).toBeLessThan(3);
  });

  test('what the engine refuses is passed on, and the next image is not kept waiting', async () => {
    const engine = await scheduledEngine(2);
    const long = await engine.request(`be A ${'x'.repeat(9000)}`);
    const turn = await engine.scheduler.take(long);
    expect(turn).toMatchObject({ media: 'none', encodeMs: null });
    await expect(engine.send(long, turn)).rejects.toThrow('exceed_context_size');
    turn.end('done');
    expect((await engine.ask('be B one')).turn.media).toBe('none');
    expect((await engine.ask('be A one')).turn.media).toBe('none');
  });

  test('a client that leaves while its image is encoded: the slot is free after it, the image is kept', async () => {
    const engine = await scheduledEngine(1);
    const client = new AbortController();
    const left = engine.scheduler.take(await engine.request('be A one', { signal: client.signal }));
    await vi.waitFor(() => expect(engine.scheduler.stats().encoding).toBe(true), UNTIL);
    client.abort();
    await expect(left).rejects.toMatchObject({ status: 499 });
    expect((await engine.ask('be A two')).turn.media).toBe('kv');
    expect(engine.encodes()).toBe(1);
  });

  test('a client that leaves in the middle of an answer: the slot is free when the engine says so', async () => {
    const engine = await scheduledEngine(1);
    const request = await engine.request('be A one');
    const turn = await engine.scheduler.take(request);
    const client = new AbortController();
    const answer = engine.supervisor.engine?.request({
      path: request.path,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        ...request.body,
        id_slot: 0,
        max_tokens: 3000,
        ignore_eos: true,
        stream: true,
      }),
      signal: client.signal,
    });
    const body = (await answer)?.body;
    if (body === undefined) throw new Error('no engine');
    body.on('error', () => undefined);
    await once(body, 'data');
    client.abort();
    turn.end('aborted');
    expect(engine.scheduler.stats().busySlots).toBe(1);
    const next = await engine.request('be A two');
    const nextTurn = await engine.scheduler.take(next);
    const pool = engine.supervisor.engine;
    if (pool === null) throw new Error('no engine');
    expect(await isBusy(pool, 0)).toBe(false);
    expect(nextTurn.media).toBe('kv');
    nextTurn.end('done', await engine.send(next, nextTurn));
    expect(engine.encodes()).toBe(1);
  });

  test('an engine that dies: who was being encoded for gets an error, who waits is served by the next', async () => {
    const engine = await scheduledEngine(1);
    const turn = await engine.scheduler.take(await engine.request('be t'));
    const waits = engine.ask('be A one');
    process.kill(engine.supervisor.pid ?? 0, 'SIGKILL');
    turn.end('lost');
    const answer = await waits.catch((error: unknown) => error);
    // It waited for the next engine, or it was sent to the one that was just dying.
    if (answer instanceof GatewayError) expect(answer.code).toBe('engine_lost');
    else expect(answer).not.toBeInstanceOf(Error);
    await vi.waitFor(() => expect(engine.supervisor.life).toBe(2), UNTIL);
    expect((await engine.ask('be A one')).usage.promptTokens).toBeGreaterThan(576);
    expect(engine.scheduler.stats().busySlots).toBe(0);
  });

  test('tenants share no slot file; isolated, no slot either', async () => {
    const engine = await scheduledEngine(1, { isolateTenants: true });
    await engine.ask('be A one', { tenant: 'one' });
    const { turn, usage } = await engine.ask('be A one', { tenant: 'two' });
    expect(turn.media).toBe('none');
    expect(usage.cachedTokens).toBeGreaterThan(576);
    expect(engine.encodes()).toBe(2);
    // The first tenant finds its own again.
    expect((await engine.ask('be A two', { tenant: 'one' })).turn.media).toBe('kv');
    expect(engine.encodes()).toBe(2);
  });

  test('a model with a recurrent cache: promises that it cannot keep are given up', async () => {
    const engine = await scheduledEngine(2, {}, await forgetfulModel('recurrent'));
    const asked = [];
    for (const question of ['one', 'two', 'three', 'four', 'five', 'six']) {
      asked.push(await engine.ask(`be A ${question}`));
    }
    // It can neither go back in a slot nor branch off a slot file: each was tried twice.
    expect(engine.scheduler.stats().missedHits).toBe(4);
    const last = asked.at(-1);
    expect(last?.turn.media).toBe('none');
    // What is sent ahead is not evaluated twice: the request goes on where it ended.
    expect(last?.usage.cachedTokens).toBeGreaterThan(576);
    expect(engine.encodes()).toBe(6);
  });

  test('a model with sliding windows: one encode on one slot, and no other promise is kept for long', async () => {
    const engine = await scheduledEngine(2, {}, await forgetfulModel('sliding'));
    for (const question of ['one', 'two', 'three']) await engine.ask(`be A ${question}`);
    expect(engine.encodes()).toBe(1);
    await Promise.all(['four', 'five', 'six', 'seven'].map((text) => engine.ask(`be A ${text}`)));
    expect(engine.scheduler.stats().missedHits).toBeLessThanOrEqual(2);
    expect(engine.scheduler.stats().busySlots).toBe(0);
  });
});
