import type { Tenant } from '../seams.ts';

export type SlotFile = {
  readonly name: string;
  readonly tenant: Tenant;
  readonly digest: string;
  readonly bytes: number;
};

export type SlotFileLimits = {
  /** All slot files together. */
  readonly totalBytes: number;
  /** A larger one is not written. */
  readonly fileBytes: number;
};

/**
 * Which slot files there are, the least recently used first to go. A tenant finds its own only. What is
 * being read by the engine is not given up meanwhile.
 */
export class SlotFileIndex {
  readonly #limits: SlotFileLimits;
  /** In order of use, oldest first. */
  readonly #files = new Map<string, SlotFile>();
  readonly #reading = new Map<SlotFile, number>();
  #bytes = 0;

  constructor(limits: SlotFileLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#files.size;
  }

  has(tenant: Tenant, digest: string): boolean {
    return this.#files.has(keyOf(tenant, digest));
  }

  /** For reading: it counts as used and stays until `release`. null: there is none. */
  hold(tenant: Tenant, digest: string): SlotFile | null {
    const key = keyOf(tenant, digest);
    const file = this.#files.get(key);
    if (file === undefined) return null;
    this.#files.delete(key);
    this.#files.set(key, file);
    this.#reading.set(file, (this.#reading.get(file) ?? 0) + 1);
    return file;
  }

  release(file: SlotFile): void {
    const readers = (this.#reading.get(file) ?? 0) - 1;
    if (readers > 0) this.#reading.set(file, readers);
    else this.#reading.delete(file);
  }

  /**
   * Whether a file of so many bytes may be written, and which go first (they are forgotten here, their
   * deletion is the caller's). null: it may not, it is too large or what would have to go is being read.
   */
  makeRoom(bytes: number): readonly SlotFile[] | null {
    const { totalBytes, fileBytes } = this.#limits;
    if (bytes > fileBytes || bytes > totalBytes) return null;
    const leaving: SlotFile[] = [];
    let left = this.#bytes;
    for (const file of this.#files.values()) {
      if (left + bytes <= totalBytes) break;
      if (this.#reading.has(file)) continue;
      leaving.push(file);
      left -= file.bytes;
    }
    if (left + bytes > totalBytes) return null;
    for (const file of leaving) this.remove(file);
    return leaving;
  }

  add(file: SlotFile): void {
    this.#files.set(keyOf(file.tenant, file.digest), file);
    this.#bytes += file.bytes;
  }

  remove(file: SlotFile): void {
    const key = keyOf(file.tenant, file.digest);
    if (this.#files.get(key) !== file) return;
    this.#files.delete(key);
    this.#bytes -= file.bytes;
  }

  /** Forgets all and names them. */
  clear(): readonly SlotFile[] {
    const all = [...this.#files.values()];
    this.#files.clear();
    this.#bytes = 0;
    return all;
  }
}

/** Until one was written: a memory copy and a file in memory, 1 GB/s. */
const FIRST_SAVE_MS_PER_BYTE = 1e-6;

/**
 * Whether writing a slot's prompt to a file pays: nothing else moves in the engine meanwhile. When
 * somebody waits for it, writing and reading have to be quicker than encoding once more; when nobody
 * does, it is a stake on a later request and has to be cheap: a quarter.
 */
export function worthSaving(
  file: { readonly bytes: number; readonly encodeMs: number },
  saveMsPerByte: number | null,
  othersWait: boolean,
): boolean {
  const saveMs = file.bytes * (saveMsPerByte ?? FIRST_SAVE_MS_PER_BYTE);
  return (othersWait ? 2 : 4) * saveMs < file.encodeMs;
}

function keyOf(tenant: Tenant, digest: string): string {
  return `${tenant} ${digest}`;
}
