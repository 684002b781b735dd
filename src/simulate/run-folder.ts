import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from '../process/alive.ts';

const NAME = /^run-(\d+)-/;

export type RunFolder = { readonly path: string; readonly remove: () => Promise<void> };

/**
 * A new folder for one run below `base`. What runs that were killed have left there goes first: the
 * name of each folder holds the process that made it.
 */
export async function makeRunFolder(base: string): Promise<RunFolder> {
  await mkdir(base, { recursive: true });
  for (const name of await readdir(base)) {
    const pid = Number(NAME.exec(name)?.[1]);
    if (Number.isInteger(pid) && !isAlive(pid)) {
      await rm(join(base, name), { recursive: true, force: true });
    }
  }
  const path = await mkdtemp(join(base, `run-${process.pid}-`));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
