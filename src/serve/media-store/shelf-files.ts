import { randomBytes } from 'node:crypto';
import {
  constants,
  copyFile,
  link,
  mkdir,
  open,
  rename,
  rm,
  unlink,
  utimes,
} from 'node:fs/promises';
import { join } from 'node:path';

export const TEMPORARY = '.tmp-';

/** The files of one shelf. Every method rejects with the system's error. */
export type ShelfFiles = {
  /** Makes `name` readable for the engine, whole or not at all. */
  readonly write: (folder: string, name: string, bytes: Uint8Array) => Promise<void>;
  /** Lets the engine read what an earlier process or another one has written. */
  readonly adopt: (folder: string, name: string) => Promise<void>;
  /** Where the engine reads it. */
  readonly path: (folder: string, name: string) => string;
  readonly remove: (folder: string, name: string) => Promise<void>;
  /** For the order of eviction after a restart. */
  readonly markUsed: (folder: string, name: string) => Promise<void>;
};

/**
 * Files of this process alone, gone with it: `run` is below the engine's media path.
 */
export function passingFiles(run: string): ShelfFiles {
  const path = (folder: string, name: string) => join(run, folder, name);
  return {
    write: (folder, name, bytes) => writeAtomic(run, folder, name, bytes),
    adopt: () => Promise.resolve(),
    path,
    remove: (folder, name) => removeFile(path(folder, name)),
    markUsed: () => Promise.resolve(),
  };
}

/**
 * Files in `kept`, which processes share and which outlive them, each with a hard link in `run` once this
 * process uses it. So no process can take away a file that another's engine is about to read, no lock is
 * needed, and the engine sees only what this process has found sound. Where a file system has no hard
 * links the file is copied.
 */
export function keptFiles(kept: string, run: string): ShelfFiles {
  const source = (folder: string, name: string) => join(kept, folder, name);
  const path = (folder: string, name: string) => join(run, folder, name);
  const adopt = async (folder: string, name: string) => {
    await mkdir(join(run, folder), { recursive: true, mode: 0o700 });
    await hardLink(source(folder, name), path(folder, name));
  };
  return {
    write: async (folder, name, bytes) => {
      await writeAtomic(kept, folder, name, bytes);
      await removeFile(path(folder, name));
      await adopt(folder, name);
    },
    adopt,
    path,
    remove: async (folder, name) => {
      await removeFile(source(folder, name));
      await removeFile(path(folder, name));
    },
    markUsed: async (folder, name) => {
      const now = new Date();
      await utimes(source(folder, name), now, now);
    },
  };
}

/** An empty file, in one step. */
export async function touch(root: string, folder: string, name: string): Promise<void> {
  await mkdir(join(root, folder), { recursive: true, mode: 0o700 });
  await (await open(join(root, folder, name), 'a', 0o600)).close();
}

/** Already gone is fine. */
export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (!isCode(error, 'ENOENT', 'ENOTDIR')) throw error;
  });
}

export function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? '');
}

async function writeAtomic(
  root: string,
  folder: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const directory = join(root, folder);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const temporary = join(directory, TEMPORARY + randomBytes(8).toString('hex'));
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
    await rename(temporary, join(directory, name));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

async function hardLink(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (isCode(error, 'EEXIST')) return;
    if (!isCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV')) throw error;
    // Written under its final name: `write` and `adopt` return before the engine is told of it.
    await copyFile(from, to, constants.COPYFILE_FICLONE);
  }
}
