import { statfs, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { MmdeployError, messageOf } from '../../errors.ts';
import { MIB } from '../../units.ts';
import type { MediaStores } from '../media/types.ts';
import { privateFolder } from './private-folder.ts';
import { RawLinks } from './raw-links.ts';
import { claimRunFolder, type RunFolder } from './run-folder.ts';
import { scanFiles, scanLinks } from './scan.ts';
import { Shelf, type Entry, type ShelfOptions } from './shelf.ts';
import { keptFiles, passingFiles } from './shelf-files.ts';
import { Store, type StoreShelf, type StoreTrouble } from './store.ts';

/** Bounds the index in memory (under 1 KiB an entry) and the time of listing it at the start. */
const MAX_ENTRIES = 100_000;
/** Of contents, by what was sent for them: kept however few contents there are. */
const LEAST_LINKS = 1000;
const MAX_MEMORY_BYTES = 256 * MIB;
/** In the engine's media path, where files are kept in memory beside those on disk. */
const MEMORY = 'memory';

export type MediaStoreOptions = {
  /** null: the engine reads no files, and everything is handed over inline. */
  readonly cacheDir: string | null;
  /** What is kept beyond what is in use; 0 keeps nothing. */
  readonly maxBytes: number;
  /** Where files may go when the cache folder takes none; the first that can be written to. */
  readonly memoryFolders: readonly string[];
  readonly now: () => number;
  readonly trouble: StoreTrouble;
  readonly maxEntries?: number;
};

export type MediaStoreStats = {
  readonly bytes: number;
  readonly entries: number;
  readonly evicted: number;
  /** Found damaged, or gone from the disk. */
  readonly lost: number;
  /** New contents by where they went. */
  readonly written: Readonly<Record<'disk' | 'memory' | 'inline', number>>;
};

export type OpenMediaStore = MediaStores & {
  /** For the engine's `--media-path`; null where no file can be made anywhere. */
  readonly mediaPath: string | null;
  /** Resolves when what earlier processes kept has been found; before, it is not hit. */
  readonly ready: Promise<void>;
  readonly stats: () => MediaStoreStats;
  /** Removes what only this process uses. */
  readonly close: () => Promise<void>;
};

type Opened = { readonly root: string; readonly run: RunFolder };

/**
 * Opens the store below `cacheDir/media`. A folder that others could tamper with is refused with
 * `input.invalid`; one that cannot be written to is trouble, and files in memory take its place.
 */
export async function openMediaStore(options: MediaStoreOptions): Promise<OpenMediaStore> {
  const { trouble, maxBytes, maxEntries = MAX_ENTRIES, now } = options;
  const disk = await openDisk(options);
  const memory = await openMemory(options.memoryFolders);
  const gone = { evicted: 0, damaged: 0, missing: 0 };
  const onGone = (entry: Entry, why: keyof typeof gone) => {
    gone[why] += 1;
    if (why === 'damaged') trouble('media_damaged', `${entry.name} was not what was written`);
  };
  const limits = { maxBytes, maxEntries, now, onGone };
  const kept = disk === null ? null : keptShelf(disk, limits);
  const passing = memory === null ? null : await passingShelf(memory, disk, limits);
  const shelves = [kept, passing].filter((each) => each !== null);
  const contents = () => shelves.reduce((sum, { shelf }) => sum + shelf.entries, 0);
  const links = new RawLinks(disk === null ? null : join(disk.root, 'links'), () =>
    Math.max(LEAST_LINKS, 2 * contents()),
  );
  const store = new Store({ shelves, links, now, trouble });
  return {
    of: (tenant) => store.of(tenant),
    mediaPath: (disk ?? memory)?.run.path ?? null,
    ready:
      disk === null || kept === null ? Promise.resolve() : takeOver(disk, kept.shelf, links, now),
    stats: () => ({
      bytes: shelves.reduce((sum, { shelf }) => sum + shelf.bytes, 0),
      entries: contents(),
      evicted: gone.evicted,
      lost: gone.damaged + gone.missing,
      written: {
        disk: kept?.shelf.written ?? 0,
        memory: passing?.shelf.written ?? 0,
        inline: store.inlined,
      },
    }),
    close: async () => {
      for (const each of [disk, memory]) await each?.run.remove().catch(() => undefined);
    },
  };
}

type Limits = Omit<ShelfOptions, 'files'>;

function keptShelf({ root, run }: Opened, limits: Limits): StoreShelf {
  const files = keptFiles(join(root, 'files'), run.path);
  return { place: 'disk', shelf: new Shelf({ ...limits, files }), prefix: '' };
}

/** The engine reads below one folder only: a link of ours in it leads to the files in memory. */
async function passingShelf(
  { root, run }: Opened,
  disk: Opened | null,
  limits: Limits,
): Promise<StoreShelf | null> {
  try {
    if (disk !== null) await symlink(run.path, join(disk.run.path, MEMORY));
    const maxBytes = Math.min(limits.maxBytes, MAX_MEMORY_BYTES, await halfOfFree(root));
    const shelf = new Shelf({ ...limits, maxBytes, files: passingFiles(run.path) });
    return { place: 'memory', shelf, prefix: disk === null ? '' : `${MEMORY}/` };
  } catch {
    return null;
  }
}

async function openDisk({ cacheDir, trouble }: MediaStoreOptions): Promise<Opened | null> {
  if (cacheDir === null) return null;
  try {
    return await openFolder(cacheDir, 'media');
  } catch (error) {
    if (error instanceof MmdeployError) throw error;
    trouble('media_disk_open', messageOf(error));
    return null;
  }
}

async function openFolder(base: string, name: string): Promise<Opened> {
  const root = await privateFolder(base, name);
  const run = await claimRunFolder(root);
  return { root, run };
}

async function takeOver(
  { root }: Opened,
  shelf: Shelf,
  links: RawLinks,
  now: () => number,
): Promise<void> {
  await shelf.takeOver(await scanFiles(join(root, 'files'), now()));
  const exists = (id: string) => shelf.peek(id) !== undefined;
  await links.takeOver(await scanLinks(join(root, 'links'), exists));
}

/** A folder that is shared with other users holds one of ours by a name of our own. */
async function openMemory(folders: readonly string[]): Promise<Opened | null> {
  const name = `mmdeploy-media-${process.getuid?.() ?? 0}`;
  for (const folder of folders) {
    const opened = await openFolder(folder, name).catch(() => null);
    if (opened !== null) return opened;
  }
  return null;
}

async function halfOfFree(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return Math.floor((bavail * bsize) / 2);
}
