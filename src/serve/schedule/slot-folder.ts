import { access, constants, mkdtemp, rm, statfs, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SlotFileLimits } from './slot-file-index.ts';

export type SlotFolder = {
  /** For the engine's `--slot-save-path`. */
  readonly path: string;
  readonly freeBytes: number;
  /** The files are in memory: writing them costs no disk. */
  readonly inMemory: boolean;
  readonly erase: (file: string) => Promise<void>;
  readonly remove: () => Promise<void>;
};

/** `statfs` type of tmpfs on Linux. */
const TMPFS = 0x01021994;

/**
 * A new folder for slot files that only this user may enter (0700): where there is the most memory to
 * write to, else on disk. null when none can be made.
 */
export async function makeSlotFolder(
  env: Readonly<Record<string, string | undefined>>,
): Promise<SlotFolder | null> {
  const bases = await Promise.all(['/dev/shm', env['XDG_RUNTIME_DIR'], tmpdir()].map(baseOf));
  const usable = bases
    .filter((base) => base !== null)
    .sort((one, other) => rank(other) - rank(one) || other.freeBytes - one.freeBytes);
  for (const { base, freeBytes, inMemory } of usable) {
    const path = await mkdtemp(join(base, 'mmdeploy-slots-')).catch(() => null);
    if (path === null) continue;
    return {
      path,
      freeBytes,
      inMemory,
      erase: (file) => unlink(join(path, file)).catch(() => undefined),
      remove: () => rm(path, { recursive: true, force: true }),
    };
  }
  return null;
}

/** Slot files are a cache beside everything else that lives in memory: a part of what is free, and no more. */
const PART_OF_FREE = 0.25;
/** So that one large prompt does not push out all others. */
const PART_OF_ALL = 0.5;

/** `cacheBytes` in all, or a quarter of what is free; one file may take half of it. */
export function slotFileLimits(
  { freeBytes }: Pick<SlotFolder, 'freeBytes'>,
  cacheBytes: number | null,
): SlotFileLimits {
  const totalBytes = Math.min(cacheBytes ?? Math.floor(freeBytes * PART_OF_FREE), freeBytes);
  return { totalBytes, fileBytes: Math.floor(totalBytes * PART_OF_ALL) };
}

/**
 * What an engine has to be started with for its slots to be ours alone, by the flags that it knows.
 * Its own cache of prompts in memory stays for conversations of words, unless tenants are isolated: it
 * knows none. Idle slots are not to be moved there (and emptied, where all share one cache) meanwhile.
 */
export function slotArguments(
  folder: Pick<SlotFolder, 'path'> | null,
  isolateTenants: boolean,
  known: (flag: string) => boolean,
): readonly string[] {
  return [
    ...(folder !== null && known('--slot-save-path') ? ['--slot-save-path', folder.path] : []),
    ...(isolateTenants && known('--cache-ram') ? ['--cache-ram', '0'] : []),
    ...(known('--no-cache-idle-slots') ? ['--no-cache-idle-slots'] : []),
  ];
}

type Base = { readonly base: string; readonly freeBytes: number; readonly inMemory: boolean };

async function baseOf(base: string | undefined): Promise<Base | null> {
  if (base === undefined || base === '') return null;
  try {
    await access(base, constants.W_OK);
    const { type, bavail, bsize } = await statfs(base);
    return { base, freeBytes: bavail * bsize, inMemory: type === TMPFS };
  } catch {
    return null;
  }
}

function rank({ inMemory }: Base): number {
  return inMemory ? 1 : 0;
}
