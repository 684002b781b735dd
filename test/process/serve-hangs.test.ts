import { describe, expect, test, vi } from 'vitest';
import type { Supervisor } from '../../src/serve/supervisor/supervisor.ts';
import { demoArgs, imagePart, REAL_ENGINE } from '../helpers/serve-engine.ts';
import { fakeEngine, isAlive, supervise } from '../helpers/serve-supervisor.ts';

const UNTIL = { timeout: 20_000, interval: 20 };
const post = (body: unknown) => ({
  path: '/v1/chat/completions',
  method: 'POST' as const,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
const chat = (extra: object) => post({ messages: [{ role: 'user', content: 'hi' }], ...extra });

function ask(supervisor: Supervisor, request: ReturnType<typeof post>) {
  if (supervisor.engine === null) throw new Error('the engine is not ready');
  return supervisor.engine.request(request);
}

async function anotherIsReady(supervisor: Supervisor, than: number): Promise<void> {
  await vi.waitFor(() => {
    expect(supervisor.pid).not.toBe(than);
    expect(supervisor.state).toBe('ready');
  }, UNTIL);
  expect(isAlive(than)).toBe(false);
}

test('healthy, but no token after the first: killed and started again, with the reason', async () => {
  const { supervisor, phases } = supervise(
    fakeEngine('hangs-after-first-token'),
    {},
    { watch: { stallMs: 300, silenceMs: 10_000 } },
  );
  await supervisor.start();
  const first = supervisor.pid ?? 0;
  const answer = await ask(supervisor, chat({ stream: true }));
  await expect(answer.body.text()).rejects.toThrow();
  await anotherIsReady(supervisor, first);
  expect(phases).toContainEqual({
    kind: 'crashed',
    reason: 'its requests made no progress for 0.3 s',
    restartInMs: 0,
    relieved: false,
  });
});

test('SIGSTOP of an engine that nobody asks: found by its silence', async () => {
  const { supervisor, phases } = supervise(
    fakeEngine('idles'),
    {},
    { watch: { stallMs: 60_000, silenceMs: 500 } },
  );
  await supervisor.start();
  const first = supervisor.pid ?? 0;
  process.kill(first, 'SIGSTOP');
  await anotherIsReady(supervisor, first);
  expect(phases).toContainEqual(
    expect.objectContaining({ reason: 'it answered nothing for 0.5 s' }),
  );
});

test('an engine that is busy for ever, but gets on, is left alone', async () => {
  const { supervisor, phases } = supervise(
    fakeEngine('keeps-slots-busy'),
    {},
    { watch: { stallMs: 100, silenceMs: 10_000 }, idleUnloadMs: 100 },
  );
  await supervisor.start();
  const looks = async () => {
    const answer = await supervisor.engine?.request({ path: '/slots', method: 'GET' });
    const [slot] = (await answer?.body.json()) as { next_token: { n_decoded: number }[] }[];
    return slot?.next_token[0]?.n_decoded ?? 0;
  };
  // Twenty looks are four times the limit.
  await vi.waitFor(async () => expect(await looks()).toBeGreaterThan(40), UNTIL);
  expect(phases.map(({ kind }) => kind)).toEqual(['loading', 'ready']);
});

describe.skipIf(REAL_ENGINE === '')('the real llama-server', () => {
  const watch = { stallMs: 1500, silenceMs: 1500 };

  test('SIGSTOP while it streams: killed, its client is told, another one is ready', async () => {
    const { supervisor } = supervise(REAL_ENGINE, { args: await demoArgs(2) }, { watch });
    await supervisor.start();
    const first = supervisor.pid ?? 0;
    const answer = await ask(
      supervisor,
      chat({ stream: true, max_tokens: 4000, ignore_eos: true }),
    );
    const text = answer.body.text();
    process.kill(first, 'SIGSTOP');
    await expect(text).rejects.toThrow();
    await anotherIsReady(supervisor, first);
    const again = await ask(supervisor, chat({ max_tokens: 4 }));
    expect(again.statusCode).toBe(200);
    await again.body.dump();
  });

  test('an answer far longer than the limit is no hang: its tokens are seen', async () => {
    const args = await demoArgs(2);
    const { supervisor, phases } = supervise(
      REAL_ENGINE,
      { args: [...args, '--threads', '1'] },
      { watch: { stallMs: 600, silenceMs: 60_000 }, idleUnloadMs: null },
    );
    await supervisor.start();
    const messages = [{ role: 'user', content: [await imagePart(3), { type: 'text', text: 'x' }] }];
    const answer = await ask(supervisor, post({ messages, max_tokens: 3000, ignore_eos: true }));
    expect(answer.statusCode).toBe(200);
    const { timings } = (await answer.body.json()) as { timings: { predicted_ms: number } };
    expect(timings.predicted_ms).toBeGreaterThan(600);
    expect(phases.map(({ kind }) => kind)).toEqual(['loading', 'ready']);
  });
});
