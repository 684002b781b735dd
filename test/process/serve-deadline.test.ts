import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { quietObserver } from '../../src/serve/observe/quiet.ts';
import { createScheduler } from '../../src/serve/schedule/scheduler.ts';
import type { Cancellation, EngineSource, TurnRequest } from '../../src/serve/seams.ts';
import { demoArgs, imagePart, REAL_ENGINE } from '../helpers/serve-engine.ts';
import { chatBody, deadEngine, openGateway } from '../helpers/serve-gateway.ts';
import { plainPrompts } from '../helpers/serve-prompts.ts';
import { fakeEngine, supervise } from '../helpers/serve-supervisor.ts';

const CHAT = '/v1/chat/completions';
/** Enough for a fake to begin, on a busy machine too. */
const SHORT = { requestTimeoutMs: 400 };
const UNTIL = { timeout: 20_000, interval: 10 };

const timeoutWhile = (doing: string) => ({
  error: {
    code: 'request_timeout',
    message: `the request took longer than 0.4 s (\`--request-timeout\`): ${doing}`,
  },
  src: 'mmdeploy',
});

/** The scheduler as `serve` has it, with one slot. */
function oneSlot(source: EngineSource) {
  const scheduler = createScheduler({
    source,
    slots: 1,
    queueLimit: 10,
    files: null,
    isolateTenants: false,
    observer: quietObserver(() => undefined),
    now: () => performance.now(),
  });
  onTestFinished(() => scheduler.close());
  return scheduler;
}

async function supervised(file: string, args: readonly string[] = []) {
  const running = supervise(file, { args });
  await running.supervisor.start();
  return { ...running, scheduler: oneSlot(running.supervisor) };
}

/** Ends as the calls of a library do when their signal is aborted: not with its reason. */
async function neverUntilAborted(signal: Cancellation): Promise<never> {
  await new Promise<void>((resolve) => signal.addEventListener('abort', resolve));
  throw signal.reason;
}

const words: TurnRequest = {
  tenant: 'other',
  prefix: [{ digest: 'a', kind: 'words', tokens: 3 }],
  body: {},
  path: CHAT,
  signal: new AbortController().signal,
};

describe('--request-timeout', () => {
  test('in the queue: 504 that says so, and its place is free', async () => {
    const { supervisor, scheduler } = await supervised(fakeEngine('well-behaved'));
    const turn = await scheduler.take(words);
    const prompts = plainPrompts({ turns: scheduler });
    const { url } = await openGateway(supervisor, { ...SHORT, prompts });
    const response = await fetch(url + CHAT, chatBody());
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject(timeoutWhile('it was waiting for a slot'));
    expect(scheduler.stats().queued).toBe(0);
    turn.end('done');
    expect((await fetch(url + CHAT, chatBody())).status).toBe(200);
  });

  test('while it is answered: 504, the engine is told to stop and the slot is free', async () => {
    const { supervisor, scheduler, readLog } = await supervised(fakeEngine('never-finishes'));
    const { url } = await openGateway(supervisor, {
      ...SHORT,
      prompts: plainPrompts({ turns: scheduler }),
    });
    const response = await fetch(url + CHAT, chatBody());
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject(timeoutWhile('the engine was answering'));
    await vi.waitFor(() => expect(readLog()).toContain('client hung up'), UNTIL);
    await vi.waitFor(() => expect(scheduler.stats().busySlots).toBe(0), UNTIL);
  });

  test.each([
    [CHAT, '"code":"request_timeout"'],
    ['/v1/messages', '"type":"timeout_error"'],
  ])('a stream of %s ends with the error, and none of it is lost', async (path, said) => {
    const { supervisor, scheduler, readLog } = await supervised(fakeEngine('never-finishes'));
    const prompts = plainPrompts({ turns: scheduler });
    const { url } = await openGateway(supervisor, { ...SHORT, prompts });
    const response = await fetch(url + path, chatBody({ stream: true, max_tokens: 9 }));
    expect(response.status).toBe(200);
    const events = (await response.text()).trimEnd().split('\n\n');
    expect(events.at(0)).toMatch(/^(event: message_start\n)?data: \{/);
    expect(events.at(-1)).toContain(said);
    expect(events.at(-1)).toContain('"src":"mmdeploy"');
    await vi.waitFor(() => expect(readLog()).toContain('client hung up'), UNTIL);
    await vi.waitFor(() => expect(scheduler.stats().busySlots).toBe(0), UNTIL);
  });

  test('while its picture is encoded ahead', async () => {
    const { supervisor, scheduler } = await supervised(fakeEngine('never-finishes'));
    const prompts = plainPrompts({ turns: scheduler });
    const { url } = await openGateway(supervisor, { ...SHORT, prompts });
    const messages = [{ role: 'user', content: [await imagePart(1)] }];
    const response = await fetch(url + CHAT, chatBody({ messages }));
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject(timeoutWhile('its media were being encoded'));
    expect(scheduler.stats().queued).toBe(0);
  });

  test.each([
    ['decoded', 'its media were being fetched and decoded'],
    ['counted', 'the engine was counting its media'],
  ])('while its media are %s: no slot was taken', async (stage, doing) => {
    const { supervisor } = await supervised(fakeEngine('well-behaved'));
    const take = vi.fn();
    const { preparer } = plainPrompts();
    const prompts = plainPrompts({
      preparer: {
        prepare: (parts, tenant, signal) =>
          stage === 'decoded' ? neverUntilAborted(signal) : preparer.prepare(parts, tenant, signal),
      },
      witness: { check: (_engine, _path, _taken, _media, signal) => neverUntilAborted(signal) },
      turns: { take },
    });
    const { url } = await openGateway(supervisor, { ...SHORT, prompts });
    const messages = [{ role: 'user', content: [await imagePart(1)] }];
    const response = await fetch(url + CHAT, chatBody({ messages }));
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject(timeoutWhile(doing));
    expect(take).not.toHaveBeenCalled();
  });

  test.each([CHAT, '/tokenize', '/v1/messages/count_tokens'])(
    'while an engine is waited for that does not come: %s',
    async (path) => {
      const source: EngineSource = {
        ...deadEngine(false),
        asleep: true,
        whenReady: neverUntilAborted,
      };
      const { url } = await openGateway(source, SHORT);
      const response = await fetch(url + path, chatBody({ content: 'x' }));
      expect(response.status).toBe(504);
      const { error } = (await response.json()) as { error: unknown };
      expect(error).toMatchObject({
        code: 'request_timeout',
        message: expect.stringContaining('the engine was not ready') as string,
      });
    },
  );

  test('a request that is done in time is not bothered, and 0 is no limit', async () => {
    const { supervisor } = await supervised(fakeEngine('slow-to-answer'));
    for (const requestTimeoutMs of [null, 20_000]) {
      const { url } = await openGateway(supervisor, { requestTimeoutMs });
      const response = await fetch(url + CHAT, chatBody({ stream: true }));
      expect(await response.text()).toMatch(/word39.*\[DONE\]\n\n$/s);
    }
  });
});

test.skipIf(REAL_ENGINE === '')(
  'the real engine stops a long answer, and its slot serves the next request',
  async () => {
    const { supervisor, scheduler } = await supervised(REAL_ENGINE, await demoArgs());
    const prompts = plainPrompts({ turns: scheduler });
    const hurried = await openGateway(supervisor, { requestTimeoutMs: 60, prompts });
    const patient = await openGateway(supervisor, { prompts });
    const endless = { max_tokens: 100_000, ignore_eos: true };
    const response = await fetch(hurried.url + CHAT, chatBody(endless));
    expect(await response.json()).toMatchObject({ error: { code: 'request_timeout' } });
    const next = await fetch(patient.url + CHAT, chatBody({ max_tokens: 4 }));
    expect(next.status).toBe(200);
  },
);
