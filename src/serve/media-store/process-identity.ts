import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { isAlive } from '../../process/alive.ts';

/** A process, told apart from a later one with its id and from one in another container. */
export type ProcessIdentity = {
  /** Where `pid` means something: boot and process namespace on Linux, the machine's name elsewhere. */
  readonly host: string;
  readonly pid: number;
  /** Clock ticks from boot to its start; null where the system does not say. */
  readonly startedAt: string | null;
};

export async function ownIdentity(): Promise<ProcessIdentity> {
  const [boot, namespace] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => null),
    readlink('/proc/self/ns/pid').catch(() => null),
  ]);
  const host = boot === null || namespace === null ? hostname() : `${boot.trim()} ${namespace}`;
  return { host, pid: process.pid, startedAt: await startOf(process.pid) };
}

export function parseIdentity(text: string): ProcessIdentity | null {
  try {
    const { host, pid, startedAt } = JSON.parse(text) as Partial<Record<string, unknown>>;
    if (typeof host !== 'string' || typeof pid !== 'number') return null;
    return { host, pid, startedAt: typeof startedAt === 'string' ? startedAt : null };
  } catch {
    return null;
  }
}

/** `unknown` for a process that cannot be seen from here: another machine or container. */
export async function stateOf(
  other: ProcessIdentity,
  own: ProcessIdentity,
): Promise<'alive' | 'gone' | 'unknown'> {
  if (other.host !== own.host) return 'unknown';
  if (!isAlive(other.pid)) return 'gone';
  return (await startOf(other.pid)) === other.startedAt ? 'alive' : 'gone';
}

/** Field 22 of `/proc/PID/stat`; the name before it may hold blanks and brackets. */
async function startOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}
