import { join } from 'node:path';
import { Lru, type Kept } from './lru.ts';
import { linkName } from './names.ts';
import { removeFile, touch } from './shelf-files.ts';

export type RawLink = Kept & {
  readonly folder: string;
  readonly rawKey: string;
  /** Content keys, in order. */
  readonly keys: readonly string[];
};

export function rawLink(
  id: string,
  folder: string,
  rawKey: string,
  keys: readonly string[],
): RawLink {
  return { id, folder, rawKey, keys, bytes: keys.length, pins: 0 };
}

/**
 * Which contents a file that was sent comes to. In memory, with an empty file for each content in `root`
 * (null: nowhere) for the next process. One that leads to an evicted content is found out when it is
 * looked up, or at the next start; `most`, which follows the number of contents, bounds them all.
 */
export class RawLinks {
  readonly #lru = new Lru<RawLink>();
  readonly #root: string | null;
  readonly #most: () => number;

  constructor(root: string | null, most: () => number) {
    this.#root = root;
    this.#most = most;
  }

  get(id: string): RawLink | undefined {
    return this.#lru.use(id);
  }

  /** Rejects with the system's error when it cannot be written down; it is known to this process then. */
  async add(link: RawLink, lasting: boolean): Promise<void> {
    const known = this.#lru.peek(link.id);
    if (known !== undefined && known.keys.join() === link.keys.join()) return;
    if (known !== undefined) await this.#unlink(known);
    this.#lru.add(link);
    if (lasting && this.#root !== null) {
      for (const name of namesOf(link)) await touch(this.#root, link.folder, name);
    }
    await this.#trim();
  }

  async drop(link: RawLink): Promise<void> {
    if (this.#lru.peek(link.id) === link) this.#lru.delete(link.id);
    await this.#unlink(link);
  }

  takeOver(links: readonly RawLink[]): Promise<void> {
    this.#lru.addOldest(links);
    return this.#trim();
  }

  async #trim(): Promise<void> {
    for (const link of this.#lru.trim(this.#most(), Infinity)) await this.#unlink(link);
  }

  async #unlink(link: RawLink): Promise<void> {
    if (this.#root === null) return;
    for (const name of namesOf(link)) {
      await removeFile(join(this.#root, link.folder, name)).catch(() => undefined);
    }
  }
}

function namesOf({ rawKey, keys }: RawLink): string[] {
  return keys.map((key, index) => linkName({ rawKey, index, count: keys.length, key }));
}
