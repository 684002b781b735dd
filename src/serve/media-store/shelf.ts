import { access } from 'node:fs/promises';
import type { MediaMeta, NewMedia } from '../media/types.ts';
import { Lru } from './lru.ts';
import { digestOf, fileName } from './names.ts';
import { readDigest } from './read-digest.ts';
import { isCode, type ShelfFiles } from './shelf-files.ts';

/** A file that vanished under a running server (a cleaner of caches) is noticed within this time. */
const LOOK_AGAIN_MS = 5000;
/** The order of use that a restart finds is this old at most. */
const WRITE_DOWN_MS = 3_600_000;

export type Entry = {
  /** Tenant's folder and key. */
  readonly id: string;
  readonly folder: string;
  readonly key: string;
  readonly name: string;
  readonly digest: string;
  readonly meta: MediaMeta;
  readonly bytes: number;
  pins: number;
  /** When it was last seen to be there; null until this process has found it sound. */
  seenAt: number | null;
  /** When its last use was written down; what the order of eviction goes by after a restart. */
  usedAt: number;
};

export type ShelfOptions = {
  readonly files: ShelfFiles;
  /** What it may hold beyond what is in use. */
  readonly maxBytes: number;
  readonly maxEntries: number;
  readonly now: () => number;
  readonly onGone: (entry: Entry, why: 'evicted' | 'damaged' | 'missing') => void;
};

/** Media in files, found by tenant and key, the least recently used given up first. */
export class Shelf {
  readonly #options: ShelfOptions;
  readonly #lru = new Lru<Entry>();
  /** Work on the file of an id: one at a time, so that no late removal hits a file just written. */
  readonly #busy = new Map<string, Promise<unknown>>();
  #written = 0;

  constructor(options: ShelfOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#lru.bytes;
  }

  get entries(): number {
    return this.#lru.size;
  }

  /** New files since the start. */
  get written(): number {
    return this.#written;
  }

  peek(id: string): Entry | undefined {
    return this.#lru.peek(id);
  }

  /** Pins the entry once it is known to be sound; null, and dropped, when it is not. */
  async use(id: string): Promise<Entry | null> {
    for (;;) {
      const entry = this.#lru.use(id);
      if (entry === undefined) return null;
      entry.pins += 1;
      if (this.#isFresh(entry)) return this.#used(entry);
      const sound = await this.#oneAtATime(id, () => this.#look(entry));
      // Somebody else may have found it missing meanwhile, and have written it anew.
      if (sound && this.#lru.peek(id) === entry) return this.#used(entry);
      entry.pins -= 1;
      if (!sound) return null;
    }
  }

  /** Writes a new entry, pinned; rejects with the system's error. */
  add(folder: string, media: NewMedia): Promise<Entry> {
    const id = idOf(folder, media.key);
    return this.#oneAtATime(id, async () => {
      const there = this.#lru.use(id);
      if (there?.seenAt != null) {
        there.pins += 1;
        return there;
      }
      const { key, meta, bytes } = media;
      const digest = digestOf(bytes);
      const name = fileName({ key, digest, meta });
      await this.#write(folder, name, bytes);
      this.#written += 1;
      const now = this.#options.now();
      const facts = { id, folder, key, name, digest, meta, bytes: bytes.byteLength };
      const entry: Entry = { ...facts, pins: 1, seenAt: now, usedAt: now };
      this.#lru.add(entry);
      void this.trim();
      return entry;
    });
  }

  /** To be called once for each entry that `use` or `add` gave. */
  unpin(entry: Entry): void {
    entry.pins -= 1;
    if (entry.pins === 0) void this.trim();
  }

  /** Takes over what an earlier process left, oldest first. */
  takeOver(entries: readonly Entry[]): Promise<void> {
    this.#lru.addOldest(entries);
    return this.trim();
  }

  /** Resolves when what is too much has been removed. */
  async trim(): Promise<void> {
    const { maxBytes, maxEntries } = this.#options;
    await this.#evict(this.#lru.trim(maxBytes, maxEntries));
  }

  /** On a full disk the oldest make room: better than no cache for what is new. */
  async #write(folder: string, name: string, bytes: Uint8Array): Promise<void> {
    const { files } = this.#options;
    try {
      await files.write(folder, name, bytes);
    } catch (error) {
      if (!isCode(error, 'ENOSPC', 'EDQUOT') || this.#lru.size === 0) throw error;
      const fewer = Math.max(0, this.#lru.bytes - 2 * bytes.byteLength);
      await this.#evict(this.#lru.trim(fewer, Infinity));
      await files.write(folder, name, bytes);
    }
  }

  async #evict(entries: readonly Entry[]): Promise<void> {
    await Promise.all(
      entries.map((entry) => {
        this.#options.onGone(entry, 'evicted');
        return this.#oneAtATime(entry.id, () => this.#remove(entry));
      }),
    );
  }

  async #remove({ folder, name }: Entry): Promise<void> {
    await this.#options.files.remove(folder, name).catch(() => undefined);
  }

  #isFresh({ seenAt }: Entry): boolean {
    return seenAt !== null && this.#options.now() - seenAt < LOOK_AGAIN_MS;
  }

  #used(entry: Entry): Entry {
    const now = this.#options.now();
    if (now - entry.usedAt > WRITE_DOWN_MS) {
      entry.usedAt = now;
      void this.#options.files.markUsed(entry.folder, entry.name).catch(() => undefined);
    }
    return entry;
  }

  async #look(entry: Entry): Promise<boolean> {
    const { files, now } = this.#options;
    const { folder, name, digest } = entry;
    const path = files.path(folder, name);
    try {
      const isThere = entry.seenAt !== null && (await exists(path));
      if (!isThere) {
        await files.adopt(folder, name);
        if ((await readDigest(path)) !== digest) return await this.#drop(entry, 'damaged');
      }
    } catch (error) {
      return this.#drop(entry, isCode(error, 'ENOENT', 'ENOTDIR') ? 'missing' : 'damaged');
    }
    entry.seenAt = now();
    return true;
  }

  async #drop(entry: Entry, why: 'damaged' | 'missing'): Promise<false> {
    if (this.#lru.peek(entry.id) === entry) {
      this.#lru.delete(entry.id);
      this.#options.onGone(entry, why);
      await this.#remove(entry);
    }
    return false;
  }

  async #oneAtATime<R>(id: string, work: () => Promise<R>): Promise<R> {
    const before = this.#busy.get(id);
    const mine = (async () => {
      await before?.catch(() => undefined);
      return work();
    })();
    this.#busy.set(id, mine);
    try {
      return await mine;
    } finally {
      if (this.#busy.get(id) === mine) this.#busy.delete(id);
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

export function idOf(folder: string, key: string): string {
  return `${folder}/${key}`;
}
