import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ownIdentity, parseIdentity, stateOf, type ProcessIdentity } from './process-identity.ts';

/** Of a process that cannot be seen from here, by its heartbeat. */
const STALE_MS = 24 * 3_600_000;
const HEARTBEAT_MS = 3_600_000;
const OWNER = '.json';

export type RunFolder = {
  readonly path: string;
  /** Removes it with all that is in it. */
  readonly remove: () => Promise<void>;
};

/**
 * A folder below `root/run` for this process alone: the engine's media path. Folders whose process is
 * gone are removed; one from another machine or container that shares the disk, when its heartbeat has
 * stopped for a day.
 */
export async function claimRunFolder(root: string): Promise<RunFolder> {
  const runs = join(root, 'run');
  await mkdir(runs, { recursive: true, mode: 0o700 });
  const own = await ownIdentity();
  await removeStale(runs, own);
  const path = join(runs, randomBytes(8).toString('hex'));
  // The owner first: a folder without one counts as left behind.
  const owner = path + OWNER;
  await writeFile(owner, JSON.stringify(own), { mode: 0o600, flag: 'wx' });
  await mkdir(path, { mode: 0o700 });
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(owner, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  heartbeat.unref();
  return {
    path,
    remove: async () => {
      clearInterval(heartbeat);
      await removeRun(path);
    },
  };
}

async function removeStale(runs: string, own: ProcessIdentity): Promise<void> {
  const names = new Set((await readdir(runs)).map((name) => name.replace(/\.json$/, '')));
  for (const name of names) {
    const path = join(runs, name);
    if (await isStale(path, own)) await removeRun(path).catch(() => undefined);
  }
}

async function isStale(path: string, own: ProcessIdentity): Promise<boolean> {
  const owner = path + OWNER;
  const text = await readFile(owner, 'utf8').catch(() => null);
  if (text === null) return true;
  const identity = parseIdentity(text);
  const state = identity === null ? 'unknown' : await stateOf(identity, own);
  if (state !== 'unknown') return state === 'gone';
  const facts = await stat(owner).catch(() => null);
  return facts !== null && Date.now() - facts.mtimeMs > STALE_MS;
}

async function removeRun(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  await rm(path + OWNER, { force: true });
}
