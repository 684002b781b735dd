import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { demoArgs, REAL_ENGINE } from '../helpers/serve-engine.ts';
import { chatBody, openGateway } from '../helpers/serve-gateway.ts';
import { fakeEngine, isAlive, supervise, temporaryFolder } from '../helpers/serve-supervisor.ts';

const UNTIL = { timeout: 20_000, interval: 10 };
const patient = () => new AbortController().signal;

describe('waiting for an engine', () => {
  test('a stop during the back-off wakes who waits', async () => {
    const { supervisor, phases } = supervise(
      fakeEngine('well-behaved'),
      {},
      { restart: { baseDelayMs: 600_000, maxDelayMs: 600_000, maxFruitlessCrashes: 9 } },
    );
    await supervisor.start();
    for (const crash of [1, 2]) {
      await supervisor.whenReady(patient());
      process.kill(supervisor.pid ?? 0, 'SIGKILL');
      await vi.waitFor(() => {
        expect(phases.filter(({ kind }) => kind === 'crashed')).toHaveLength(crash);
      }, UNTIL);
    }
    const { url } = await openGateway(supervisor);
    const refused = await fetch(`${url}/v1/chat/completions`, chatBody());
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(500);
    const waiting = supervisor.whenReady(patient());
    await supervisor.stop();
    await expect(waiting).rejects.toMatchObject({ code: 'interrupted' });
  });

  test('an engine that was given up: the reason, at once', async () => {
    const { supervisor } = supervise(
      fakeEngine('well-behaved'),
      {},
      { restart: { baseDelayMs: 10, maxDelayMs: 10, maxFruitlessCrashes: 1 } },
    );
    await supervisor.start();
    const waiting = supervisor.gaveUp;
    process.kill(supervisor.pid ?? 0, 'SIGKILL');
    await waiting;
    await expect(supervisor.whenReady(patient())).rejects.toMatchObject({
      code: 'engine.crashed',
      message: expect.stringMatching(/crashed 1 times.*SIGKILL/) as string,
    });
  });

  test("the caller's own deadline, with its reason", async () => {
    const { supervisor } = supervise(fakeEngine('hangs-at-load'));
    const started = supervisor.start().catch(() => undefined);
    const deadline = new AbortController();
    const waiting = supervisor.whenReady(deadline.signal);
    deadline.abort(new Error('too late'));
    await expect(waiting).rejects.toThrow('too late');
    await supervisor.stop();
    await started;
  });

  test('draining: the engine goes on, but is not started again', async () => {
    const { supervisor, phases } = supervise(fakeEngine('well-behaved'));
    await supervisor.start();
    supervisor.drain();
    expect(supervisor.state).toBe('draining');
    expect(await supervisor.whenReady(patient())).toBe(supervisor.engine);
    process.kill(supervisor.pid ?? 0, 'SIGKILL');
    await vi.waitFor(() => expect(supervisor.state).toBe('stopped'), UNTIL);
    await expect(supervisor.whenReady(patient())).rejects.toMatchObject({ code: 'interrupted' });
    expect(phases.map(({ kind }) => kind)).toEqual(['loading', 'ready']);
  });
});

describe('an engine that nobody asks', () => {
  test('is unloaded, and comes back for the next request: once, however many wait', async () => {
    const starts = join(temporaryFolder(), 'starts');
    const { supervisor, phases } = supervise(
      fakeEngine('idles'),
      { env: { ...process.env, FAKE_STARTS_FILE: starts } },
      { idleUnloadMs: 100 },
    );
    await supervisor.start();
    const first = supervisor.pid ?? 0;
    await vi.waitFor(() => expect(supervisor.asleep).toBe(true), UNTIL);
    expect(isAlive(first)).toBe(false);
    expect(supervisor.state).toBe('stopped');
    expect(supervisor.engine).toBeNull();
    expect(phases.at(-1)).toEqual({ kind: 'asleep', afterMs: 100 });
    const engines = await Promise.all([1, 2, 3].map(() => supervisor.whenReady(patient())));
    expect(new Set(engines).size).toBe(1);
    expect(supervisor.life).toBe(2);
    expect(readFileSync(starts, 'utf8')).toBe('..');
  });

  test('stays in rotation, and a request through the gateway wakes it', async () => {
    const { supervisor } = supervise(fakeEngine('idles'), {}, { idleUnloadMs: 100 });
    await supervisor.start();
    const { url } = await openGateway(supervisor);
    await vi.waitFor(() => expect(supervisor.asleep).toBe(true), UNTIL);
    // Probes of an orchestrator must not keep it awake.
    const ready = await fetch(`${url}/ready`);
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'asleep' }]);
    expect(supervisor.asleep).toBe(true);
    const answers = await Promise.all(
      [1, 2].map(() => fetch(`${url}/v1/chat/completions`, chatBody())),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(supervisor.life).toBe(2);
  });

  test('one that does not come back is a crash like any other', async () => {
    const { supervisor } = supervise(fakeEngine('idles'), {}, { idleUnloadMs: 100 });
    await supervisor.start();
    await vi.waitFor(() => expect(supervisor.asleep).toBe(true), UNTIL);
    const waiting = supervisor.whenReady(patient());
    const killer = setInterval(() => {
      if (supervisor.pid !== undefined && isAlive(supervisor.pid)) {
        process.kill(supervisor.pid, 'SIGKILL');
      }
    }, 5);
    await expect(waiting).rejects.toMatchObject({ code: 'engine.crashed' });
    clearInterval(killer);
  });

  test.skipIf(REAL_ENGINE === '')('the real llama-server, twice', async () => {
    const { supervisor } = supervise(
      REAL_ENGINE,
      { args: await demoArgs() },
      { idleUnloadMs: 200 },
    );
    await supervisor.start();
    for (const life of [1, 2]) {
      const engine = await supervisor.whenReady(patient());
      const { statusCode, body } = await engine.request({
        path: '/v1/chat/completions',
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ messages: [{ role: 'user', content: 'hi' }], max_tokens: 200 }),
      });
      expect(statusCode).toBe(200);
      await body.dump();
      expect(supervisor.life).toBe(life);
      await vi.waitFor(() => expect(supervisor.asleep).toBe(true), UNTIL);
    }
  });
});
