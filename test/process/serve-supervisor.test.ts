import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { MmdeployError } from '../../src/errors.ts';
import type { OrphanGuard } from '../../src/serve/supervisor/orphan-guard.ts';
import { fakeEngine, isAlive, supervise, temporaryFolder } from '../helpers/serve-supervisor.ts';

const GUARDS: readonly OrphanGuard[] =
  process.platform === 'linux' ? ['pdeathsig', 'watchdog'] : ['watchdog'];
const UNTIL = { timeout: 10_000, interval: 10 };
/** Time for a fake engine to run its handler of a signal before the next one, on a crowded machine too. */
const PATIENT = { politeMs: 500, killMs: 1000 };

async function failureOf(promise: Promise<unknown>): Promise<MmdeployError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof MmdeployError)) throw new Error(`no MmdeployError: ${String(error)}`);
  return error;
}

describe.each(GUARDS)('guarded by %s', (guard) => {
  test('over a Unix socket: ready, answers, stops, pid gone', async () => {
    const { supervisor, phases } = supervise(fakeEngine('well-behaved'), { guard });
    await supervisor.start();
    const pid = supervisor.pid ?? 0;
    expect(supervisor.state).toBe('ready');
    const answer = await supervisor.engine?.request({ path: '/v1/models', method: 'GET' });
    expect(await answer?.body.json()).toEqual({ object: 'list', data: [{ id: 'fake' }] });
    await supervisor.stop();
    expect(supervisor.state).toBe('stopped');
    expect(supervisor.engine).toBeNull();
    expect(isAlive(pid)).toBe(false);
    expect(phases.map(({ kind }) => kind)).toEqual(['loading', 'ready']);
  });

  test('over a port that the engine chose and printed', async () => {
    const { supervisor, phases } = supervise(fakeEngine('well-behaved'), {
      guard,
      listen: { kind: 'port' },
    });
    await supervisor.start();
    const answer = await supervisor.engine?.request({ path: '/health', method: 'GET' });
    expect(answer?.statusCode).toBe(200);
    await answer?.body.dump();
    const ready = phases.find((phase) => phase.kind === 'ready');
    expect(ready).toMatchObject({ target: { kind: 'port', port: expect.any(Number) as number } });
  });

  test('the exit code and last words of an engine that dies at its start come through', async () => {
    const env = { ...process.env, FAKE_LAST_WORDS: 'error: invalid argument: --frobnicate' };
    const { supervisor } = supervise(fakeEngine('dies-at-start'), { guard, env });
    const error = await failureOf(supervisor.start());
    expect(error.code).toBe('engine.start');
    expect(error.exitCode).toBe(6);
    expect(error.message).toContain('`--frobnicate`');
    expect(error.details).toHaveLength(21);
    expect(error.details.at(-1)).toBe('error: invalid argument: --frobnicate');
    expect(supervisor.state).toBe('stopped');
  });

  test('an engine that ignores SIGTERM is asked twice, then killed', async () => {
    const { supervisor, readLog } = supervise(
      fakeEngine('ignores-sigterm'),
      { guard },
      { stop: PATIENT },
    );
    await supervisor.start();
    const pid = supervisor.pid ?? 0;
    await supervisor.stop();
    expect(isAlive(pid)).toBe(false);
    await vi.waitFor(() => expect(readLog()).toContain('SIGTERM 2 ignored'), UNTIL);
  });

  test('the second SIGTERM is enough for an engine with an open request', async () => {
    const { supervisor, readLog } = supervise(
      fakeEngine('needs-second-sigterm'),
      { guard },
      { stop: { ...PATIENT, killMs: 600_000 } },
    );
    await supervisor.start();
    await supervisor.stop();
    await vi.waitFor(() => expect(readLog()).toMatch(/SIGTERM 1\nSIGTERM 2\n/), UNTIL);
  });

  test('a grandchild that holds the log pipe dies with the engine', async () => {
    const { supervisor, readLog } = supervise(fakeEngine('forks'), { guard });
    await supervisor.start();
    const grandchild = await vi.waitFor(() => {
      const pid = Number(/grandchild (\d+)/.exec(readLog())?.[1]);
      expect(isAlive(pid)).toBe(true);
      return pid;
    }, UNTIL);
    await supervisor.stop();
    // The whole group got its SIGKILL; only the engine itself is waited for.
    await vi.waitFor(() => expect(isAlive(grandchild)).toBe(false), UNTIL);
  });

  test('force turns a patient stop into a kill at once', async () => {
    const { supervisor } = supervise(
      fakeEngine('ignores-sigterm'),
      { guard },
      { stop: { politeMs: 600_000, killMs: 600_000 } },
    );
    await supervisor.start();
    const pid = supervisor.pid ?? 0;
    const stopped = supervisor.stop();
    supervisor.force();
    await stopped;
    expect(isAlive(pid)).toBe(false);
  });
});

test('a slow load is no hang as long as something is printed', async () => {
  const env = { ...process.env, FAKE_LOAD_STEPS: '45', FAKE_STEP_MS: '50' };
  const { supervisor, phases } = supervise(
    fakeEngine('slow-to-load'),
    { env },
    // Far longer than one step (and than the start of a node process), shorter than the whole load.
    { readyTimeoutMs: 2000 },
  );
  await supervisor.start();
  const ready = phases.find((phase) => phase.kind === 'ready');
  expect(ready?.tookMs).toBeGreaterThan(2000);
});

test('a silent hang while loading is found, said and ended', async () => {
  const { supervisor } = supervise(fakeEngine('hangs-at-load'), {}, { readyTimeoutMs: 1000 });
  const started = failureOf(supervisor.start());
  const pid = supervisor.pid ?? 0;
  const error = await started;
  expect(error.code).toBe('engine.start');
  expect(error.message).toMatch(/printed nothing for 1 s/);
  expect(error.hints.join()).toContain('--ready-timeout');
  expect(isAlive(pid)).toBe(false);
});

test('stopped while loading: interrupted, nothing left', async () => {
  const { supervisor } = supervise(fakeEngine('hangs-at-load'));
  const started = failureOf(supervisor.start());
  const pid = supervisor.pid ?? 0;
  await supervisor.stop();
  expect((await started).code).toBe('interrupted');
  expect(isAlive(pid)).toBe(false);
  expect(supervisor.state).toBe('stopped');
});

test('a file that cannot be run is a start failure, not a crash of ours', async () => {
  const { supervisor } = supervise('/nonexistent/llama-server', { guard: 'watchdog' });
  const error = await failureOf(supervisor.start());
  expect(error.code).toBe('engine.start');
  expect(error.details.join('\n')).toContain('/nonexistent/llama-server');
});

test('a socket left behind by an earlier run is no obstacle', async () => {
  const path = join(temporaryFolder(), 'left.sock');
  writeFileSync(path, '');
  const { supervisor } = supervise(fakeEngine('well-behaved'), {
    listen: { kind: 'socket', path },
  });
  await supervisor.start();
  expect(supervisor.state).toBe('ready');
});

test('the log is private and appended to', async () => {
  const logFile = join(temporaryFolder(), 'logs', 'engine.log');
  const runOnce = async () => {
    const { supervisor } = supervise(fakeEngine('well-behaved'), { logFile });
    await supervisor.start();
    await supervisor.stop();
  };
  await runOnce();
  await runOnce();
  expect(statSync(logFile).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(logFile)).mode & 0o777).toBe(0o700);
  await vi.waitFor(
    () => expect(readFileSync(logFile, 'utf8').match(/listening on/g)).toHaveLength(2),
    UNTIL,
  );
});

test('a log that cannot be written is not promised, and stops nothing', async () => {
  // A file in the way of the folder: not even root may write below it.
  const logFile = join(process.cwd(), 'package.json', 'engine.log');
  const { supervisor, phases } = supervise(fakeEngine('well-behaved'), { logFile });
  await supervisor.start();
  expect(supervisor.state).toBe('ready');
  expect(phases).toContainEqual(expect.objectContaining({ kind: 'loading', logFile: null }));
});

describe('crashes', () => {
  test('kill -9 of the engine: a new one is ready, the old pid is gone', async () => {
    const { supervisor, phases } = supervise(fakeEngine('well-behaved'));
    await supervisor.start();
    const first = supervisor.pid ?? 0;
    supervisor.requestCompleted();
    process.kill(first, 'SIGKILL');
    await vi.waitFor(() => {
      expect(supervisor.pid).not.toBe(first);
      expect(supervisor.state).toBe('ready');
    }, UNTIL);
    expect(isAlive(first)).toBe(false);
    expect(phases.map(({ kind }) => kind)).toEqual([
      'loading',
      'ready',
      'crashed',
      'loading',
      'ready',
    ]);
    expect(phases[2]).toEqual({
      kind: 'crashed',
      reason: 'signal SIGKILL',
      restartInMs: 0,
      relieved: false,
    });
  });

  test('an engine that comes up only to die is given up, with its state and its last words', async () => {
    const { supervisor, phases } = supervise(fakeEngine('well-behaved'));
    const killer = setInterval(() => {
      if (supervisor.state === 'ready') process.kill(supervisor.pid ?? 0, 'SIGKILL');
    }, 5);
    onTestFinished(() => clearInterval(killer));
    await supervisor.start();
    const error = await supervisor.gaveUp;
    expect(error.code).toBe('engine.crashed');
    expect(error.message).toMatch(/3 times in a row.*SIGKILL/);
    expect(supervisor.state).toBe('failed');
    const delays = phases.flatMap((phase) => (phase.kind === 'crashed' ? [phase.restartInMs] : []));
    expect(delays).toEqual([0, 10, null]);
  });

  test('stop during the back-off ends it', async () => {
    const { supervisor, phases } = supervise(
      fakeEngine('well-behaved'),
      {},
      { restart: { baseDelayMs: 600_000, maxDelayMs: 600_000, maxFruitlessCrashes: 9 } },
    );
    await supervisor.start();
    for (const crash of [1, 2]) {
      await vi.waitFor(() => expect(supervisor.state).toBe('ready'), UNTIL);
      process.kill(supervisor.pid ?? 0, 'SIGKILL');
      await vi.waitFor(() => {
        expect(phases.filter(({ kind }) => kind === 'crashed')).toHaveLength(crash);
      }, UNTIL);
    }
    expect(supervisor.retryAfterSeconds).toBeGreaterThan(500);
    await supervisor.stop();
    expect(supervisor.state).toBe('stopped');
  });
});
