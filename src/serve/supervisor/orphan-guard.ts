import type { RunCommand } from '../../process/run.ts';

/**
 * How an engine is made to die with mmdeploy, even when mmdeploy is killed with SIGKILL:
 * `pdeathsig` lets the Linux kernel do it, `watchdog` puts a small process in between.
 */
export type OrphanGuard = 'pdeathsig' | 'watchdog';

const PROBE_TIMEOUT_MS = 5000;

/** `pdeathsig` where the kernel and `setpriv` offer it (not in busybox), else `watchdog`. */
export async function chooseOrphanGuard(
  run: RunCommand,
  platform: NodeJS.Platform,
): Promise<OrphanGuard> {
  if (platform !== 'linux') return 'watchdog';
  const probe = await run('setpriv', ['--pdeathsig', 'KILL', '/bin/sh', '-c', ':'], {
    timeoutMs: PROBE_TIMEOUT_MS,
  });
  return probe.code === 0 ? 'pdeathsig' : 'watchdog';
}

/**
 * The signal is only sent for a death after it was asked for, so the order is: ask, then look whether
 * the parent is still there, then become the engine. A constant script; the argv goes through as it is.
 */
const RUN_UNLESS_ORPHANED = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"';

/**
 * The watchdog is the engine's parent and the leader of its process group. Its stdin is a pipe that
 * only mmdeploy holds: when mmdeploy dies, however it dies, the pipe ends and the group is killed.
 * Being the parent, it knows that the engine's pid cannot have been given to another process, and a
 * pipe that ended before the watchdog came up is seen as well. SIGTERM is for the engine, which gets
 * it as a member of the group. The engine's own end is passed on: same exit code, or same signal.
 */
const WATCHDOG = `
const { spawn } = require('node:child_process');
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {});
const [file, ...args] = process.argv.slice(1);
const engine = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit'], windowsHide: true });
const killAll = () => {
  if (process.platform === 'win32') engine.kill('SIGKILL');
  else process.kill(-process.pid, 'SIGKILL');
};
const end = (code) => {
  process.exitCode = code;
  process.stdin.destroy();
};
process.stdin.on('end', killAll).on('error', killAll).resume();
engine.on('error', (error) => { console.error('cannot run ' + file + ': ' + error.message); end(127); });
engine.on('exit', (code, signal) => {
  if (signal === null) return end(code);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
`;

export type GuardedCommand = {
  readonly file: string;
  readonly args: readonly string[];
  /** `pipe`: the caller holds the write end open for as long as it lives, and writes nothing. */
  readonly stdin: 'ignore' | 'pipe';
};

/** The command that runs `file args` and does not outlive the process `parentPid`. */
export function guardedCommand(
  guard: OrphanGuard,
  file: string,
  args: readonly string[],
  parentPid: number,
): GuardedCommand {
  if (guard === 'watchdog') {
    return { file: process.execPath, args: ['-e', WATCHDOG, '--', file, ...args], stdin: 'pipe' };
  }
  const script = ['/bin/sh', '-c', RUN_UNLESS_ORPHANED, 'sh', String(parentPid), file, ...args];
  return { file: 'setpriv', args: ['--pdeathsig', 'KILL', ...script], stdin: 'ignore' };
}
