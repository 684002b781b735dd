import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import { writeDemoModel } from '../../src/demo/model.ts';
import { runCommand } from '../../src/process/run.ts';
import { guardedCommand, type OrphanGuard } from '../../src/serve/supervisor/orphan-guard.ts';
import { buildSources, type BuiltSources } from '../helpers/serve-build.ts';
import { fakeEngine, isGroupAlive, temporaryFolder } from '../helpers/serve-supervisor.ts';

const GUARDS: readonly OrphanGuard[] =
  process.platform === 'linux' ? ['pdeathsig', 'watchdog'] : ['watchdog'];
const UNTIL = { timeout: 10_000, interval: 20 };

let built: BuiltSources;
beforeAll(() => {
  built = buildSources();
});
afterAll(() => built.remove());

type Victim = {
  /** Process group of the engine, as the victim printed it. */
  readonly group: number;
  readonly kill: () => void;
};

/** A node process of its own that runs `script` (a module body) and prints the engine's pid. */
async function startVictim(script: string): Promise<Victim> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, FORCE_COLOR: undefined },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) {
    const group = Number(line);
    if (!Number.isInteger(group) || group <= 1) break;
    onTestFinished(() => {
      if (isGroupAlive(group)) process.kill(-group, 'SIGKILL');
    });
    return { group, kill: () => void child.kill('SIGKILL') };
  }
  throw new Error('the victim printed no pid');
}

function supervisorScript(guard: OrphanGuard, file: string, args: readonly string[] = []): string {
  const folder = temporaryFolder();
  const module = pathToFileURL(built.moduleFile('serve/supervisor/supervisor.ts')).href;
  const command = {
    file,
    args,
    guard,
    listen: { kind: 'socket', path: join(folder, 'engine.sock') },
    logFile: join(folder, 'engine.log'),
  };
  return `
    import { Supervisor } from ${JSON.stringify(module)};
    const supervisor = new Supervisor({
      command: { ...${JSON.stringify(command)}, env: process.env },
      readyTimeoutMs: 10000,
      stop: { politeMs: 200, killMs: 200 },
      restart: { baseDelayMs: 10, maxDelayMs: 40, maxFruitlessCrashes: 3 },
      random: () => 0,
      onPhase: () => undefined,
    });
    await supervisor.start();
    console.log(String(supervisor.pid));
    setInterval(() => undefined, 1000);`;
}

describe.each(GUARDS)('kill -9 of the process that supervises, guarded by %s', (guard) => {
  test.each(['well-behaved', 'ignores-sigterm'])('%s dies with it', async (fake) => {
    const victim = await startVictim(supervisorScript(guard, fakeEngine(fake)));
    expect(isGroupAlive(victim.group)).toBe(true);
    victim.kill();
    await vi.waitFor(() => expect(isGroupAlive(victim.group)).toBe(false), UNTIL);
  });

  test('an engine whose parent died before the guard stood is not started', async () => {
    const socket = join(temporaryFolder(), 'engine.sock');
    // As if somebody else had been the parent, with the pipe that parent held closed.
    const gone = 2 ** 22;
    const command = guardedCommand(guard, fakeEngine('ignores-sigterm'), ['--host', socket], gone);
    const ended = await runCommand(command.file, command.args, { timeoutMs: 10_000, input: '' });
    expect(ended.outcome).toBe(guard === 'pdeathsig' ? 'exited' : 'signalled');
    expect(ended.stderr).not.toContain('listening');
  });

  describe.skipIf(inject('llamaServer') === null)('the real llama-server', () => {
    test('dies with it', async () => {
      const { model, mmproj } = await writeDemoModel(join(temporaryFolder(), 'demo'));
      const args = ['-m', model, '--mmproj', mmproj, '-c', '4096', '-np', '1', '-ngl', '0'];
      const victim = await startVictim(supervisorScript(guard, inject('llamaServer') ?? '', args));
      expect(isGroupAlive(victim.group)).toBe(true);
      victim.kill();
      await vi.waitFor(() => expect(isGroupAlive(victim.group)).toBe(false), UNTIL);
    });
  });
});

test('without a guard it would be left behind: the tests above can fail', async () => {
  const socket = join(temporaryFolder(), 'engine.sock');
  const victim = await startVictim(`
    import { spawn } from 'node:child_process';
    const options = { detached: true, stdio: ['ignore', 'ignore', 'pipe'] };
    const args = ['--host', ${JSON.stringify(socket)}];
    const engine = spawn(${JSON.stringify(fakeEngine('well-behaved'))}, args, options);
    engine.stderr.once('data', () => console.log(String(engine.pid)));`);
  victim.kill();
  await vi.waitFor(async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      request({ socketPath: socket, path: '/health' }, (response) => resolve(response.statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(200);
  }, UNTIL);
  expect(isGroupAlive(victim.group)).toBe(true);
});
