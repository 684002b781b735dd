import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { EngineCommand } from '../../src/serve/supervisor/engine-process.ts';
import type { SupervisorOptions, SupervisorPhase } from '../../src/serve/supervisor/options.ts';
import { Supervisor } from '../../src/serve/supervisor/supervisor.ts';

const FAKES = fileURLToPath(new URL('../fakes/', import.meta.url));

/** A program of `test/fakes`, with the bad habit its name says. */
export function fakeEngine(name: string): string {
  return join(FAKES, `${name}.mjs`);
}

/** A private folder that is removed when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export type Supervised = {
  readonly supervisor: Supervisor;
  readonly phases: SupervisorPhase[];
  readonly folder: string;
  readonly readLog: () => string;
};

/** A supervisor of `file` whose every limit is short; it is stopped by force when the test ends. */
export function supervise(
  file: string,
  command: Partial<EngineCommand> = {},
  options: Partial<SupervisorOptions> = {},
): Supervised {
  const folder = temporaryFolder();
  const phases: SupervisorPhase[] = [];
  const logFile = join(folder, 'logs', 'engine.log');
  const supervisor = new Supervisor({
    command: {
      file,
      args: [],
      env: process.env,
      listen: { kind: 'socket', path: join(folder, 'engine.sock') },
      guard: process.platform === 'linux' ? 'pdeathsig' : 'watchdog',
      logFile,
      ...command,
    },
    readyTimeoutMs: 10_000,
    stop: { politeMs: 200, killMs: 200 },
    restart: { baseDelayMs: 10, maxDelayMs: 40, maxFruitlessCrashes: 3 },
    random: () => 0,
    onPhase: (phase) => phases.push(phase),
    ...options,
  });
  onTestFinished(async () => {
    supervisor.force();
    await supervisor.stop();
  });
  return { supervisor, phases, folder, readLog: () => readFileSync(logFile, 'utf8') };
}

/** Whether a process runs; a zombie, whose parent has not reaped it yet, counts as gone. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== 'linux') return true;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

/** Whether any process of a process group runs, zombies left out. */
export function isGroupAlive(group: number): boolean {
  if (process.platform !== 'linux') {
    try {
      return process.kill(-group, 0);
    } catch {
      return false;
    }
  }
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .some((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        // pid (name) state parent group …; the name may hold anything.
        const [state, , itsGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return Number(itsGroup) === group && state !== 'Z' && state !== 'X';
      } catch {
        return false;
      }
    });
}
