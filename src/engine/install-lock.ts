import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { interrupted, stopIfAborted } from './install-context.ts';
import { isAlive } from '../process/alive.ts';

const HEARTBEAT_MS = 5_000;
/** A holder that did not touch its lock for this long is gone, whatever its pid says. */
const STALE_MS = 60_000;
const POLL_MS = 200;

type LockOptions = {
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** Told once, when another process holds the lock. */
  readonly onWait: (holder: string) => void;
};

/**
 * Runs `work` while this process holds the lock file. Waits for another holder, and takes over from one
 * that died. The lock spares double work; that installs stay whole does not rest on it but on the
 * rename at their end. Throws `interrupted` when aborted while waiting.
 */
export async function withLock<T>(
  file: string,
  options: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  await acquire(file, options);
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    await rm(file, { force: true });
  }
}

async function acquire(file: string, options: LockOptions): Promise<void> {
  let told = false;
  for (;;) {
    stopIfAborted(options.signal);
    if (await create(file)) return;
    const holder = await readFile(file, 'utf8').catch(() => null);
    if (holder === null) continue;
    if (await isStale(file, holder, options.now)) {
      await breakStale(file, holder, options.now);
      continue;
    }
    if (!told) options.onWait(holder.split(' ')[0] ?? holder);
    told = true;
    await wait(POLL_MS, undefined, { signal: options.signal }).catch(() => {
      throw interrupted();
    });
  }
}

/** One process at a time removes a dead one's lock, or two would each remove the other's new one. */
async function breakStale(file: string, holder: string, now: () => Date): Promise<void> {
  const guard = `${file}.break`;
  if (!(await create(guard))) {
    const touched = await stat(guard).catch(() => null);
    if (touched !== null && now().getTime() - touched.mtimeMs > STALE_MS) {
      await rm(guard, { force: true });
    }
    await wait(POLL_MS / 10);
    return;
  }
  try {
    const still = await readFile(file, 'utf8').catch(() => null);
    if (still === holder && (await isStale(file, holder, now))) await rm(file, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

async function create(file: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx');
    await handle.writeFile(`${process.pid} ${hostname()} ${randomUUID()}`);
    await handle.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function isStale(file: string, holder: string, now: () => Date): Promise<boolean> {
  const touched = await stat(file).catch(() => null);
  if (touched === null) return false;
  if (now().getTime() - touched.mtimeMs > STALE_MS) return true;
  const [pid, host] = holder.split(' ');
  return host === hostname() && !isAlive(Number(pid));
}
