import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MmdeployError } from '../errors.ts';
import { gib } from '../plan/wording.ts';
import { isAlive } from '../process/alive.ts';

/** A file in the making, beside the one that it becomes. */
export type PartFile = {
  readonly path: string;
  readonly target: string;
  /** Takes its place. Throws `input.invalid` when something came there meanwhile. */
  readonly finish: () => Promise<void>;
  /** Removes it; does nothing once it is finished. */
  readonly discard: () => Promise<void>;
};

/**
 * A temporary name for `target`, which only ever holds a whole file. The name ends in no `.gguf`, so that
 * nobody takes it for a model, and holds the process that writes it: what runs that were killed have left
 * of the same target is removed first.
 */
export async function partFile(target: string, force: boolean): Promise<PartFile> {
  const folder = dirname(target);
  const prefix = `.${basename(target)}.`;
  for (const name of await readdir(folder)) {
    const pid = name.startsWith(prefix) ? /\.(\d+)-\w+\.part$/.exec(name)?.[1] : undefined;
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(folder, name), { force: true });
  }
  const path = join(folder, `${prefix}${process.pid}-${randomBytes(4).toString('hex')}.part`);
  return {
    path,
    target,
    finish: async () => {
      if (!force && existsSync(target)) throw alreadyThere(target);
      await rename(path, target);
    },
    discard: () => rm(path, { force: true }),
  };
}

export function alreadyThere(target: string): MmdeployError {
  return new MmdeployError('input.invalid', `${target} is already there`, {
    hints: ['replace it: give the same command `--force`', 'or write another file: `--out FILE`'],
  });
}

/** Throws `system.refused` unless the file system of `folder` has `bytes` left for this user. */
export async function requireSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new MmdeployError(
    'system.refused',
    `${folder}: ${gib(bytes)} are needed, ${gib(free)} are free`,
    { hints: ['name a place on another disk: `--out FILE`'] },
  );
}
