/** What is kept: a size, and how many requests are using it. */
export type Kept = {
  readonly id: string;
  readonly bytes: number;
  pins: number;
};

/** Entries in the order of their use. What is pinned counts, and is never a victim. */
export class Lru<T extends Kept> {
  #entries = new Map<string, T>();
  #bytes = 0;
  #newest: string | null = null;

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Without making it the newest. */
  peek(id: string): T | undefined {
    return this.#entries.get(id);
  }

  /** Makes it the newest; the one that is (the same picture turn after turn) costs no new place in the map. */
  use(id: string): T | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined || id === this.#newest) return entry;
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    this.#newest = id;
    return entry;
  }

  /** As the newest, in place of one with the same id. */
  add(entry: T): void {
    this.delete(entry.id);
    this.#entries.set(entry.id, entry);
    this.#newest = entry.id;
    this.#bytes += entry.bytes;
  }

  /** Behind all that is there, `entries` being in the order of their last use, oldest first. */
  addOldest(entries: readonly T[]): void {
    const newer = this.#entries;
    this.#entries = new Map();
    for (const entry of entries) {
      if (newer.has(entry.id)) continue;
      this.#entries.set(entry.id, entry);
      this.#bytes += entry.bytes;
    }
    for (const [id, entry] of newer) this.#entries.set(id, entry);
  }

  delete(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#bytes -= entry.bytes;
    if (id === this.#newest) this.#newest = null;
    return this.#entries.delete(id);
  }

  /** Takes out the oldest that nobody uses until at most `bytes` and `entries` are left, if it can. */
  trim(bytes: number, entries: number): T[] {
    const victims: T[] = [];
    if (this.#bytes <= bytes && this.size <= entries) return victims;
    for (const entry of this.#entries.values()) {
      if (this.#bytes <= bytes && this.size <= entries) break;
      if (entry.pins > 0) continue;
      this.delete(entry.id);
      victims.push(entry);
    }
    return victims;
  }

  values(): IterableIterator<T> {
    return this.#entries.values();
  }
}
