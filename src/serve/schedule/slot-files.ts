import type { Pool } from 'undici';
import type { Tenant } from '../seams.ts';
import type { EngineLife, Slot } from './engine-life.ts';
import type { EngineSlots } from './engine-slots.ts';
import {
  SlotFileIndex,
  worthSaving,
  type SlotFile,
  type SlotFileLimits,
} from './slot-file-index.ts';

export type SlotFilesOptions = {
  readonly engineSlots: EngineSlots;
  readonly limits: SlotFileLimits;
  /** By the plan: bytes of the KV cache for each token. null where it is not known. */
  readonly bytesPerToken: number | null;
  /** Deletes a file of the folder that the engine writes to. */
  readonly erase: (name: string) => Promise<void>;
  /** Called when the engine could not write one, once in each life: there may be no room, or no such route. */
  readonly onUnsaved?: () => void;
};

export type WantedFile = {
  readonly tenant: Tenant;
  /** Of the piece up to which the prompt may be used again: its last medium. */
  readonly digest: string;
  readonly promptTokens: number;
  /** What writing it would save another request. */
  readonly encodeMs: number;
  /** Somebody waits for it. */
  readonly wanted: boolean;
};

/** Prompts with media that were written to files, so that any slot can have them again. */
export class SlotFiles {
  readonly #options: SlotFilesOptions;
  readonly #index: SlotFileIndex;
  #names = 0;
  #unsavedInLife = 0;

  constructor(options: SlotFilesOptions) {
    this.#options = options;
    this.#index = new SlotFileIndex(options.limits);
  }

  get count(): number {
    return this.#index.count;
  }

  get bytes(): number {
    return this.#index.bytes;
  }

  has(tenant: Tenant, digest: string): boolean {
    return this.#index.has(tenant, digest);
  }

  /** Writes the slot's prompt to a file if that pays and there is room. Rejects when the engine goes away. */
  async save(engine: Pool, life: EngineLife, slot: Slot, file: WantedFile): Promise<boolean> {
    const perToken = life.rates.bytesPerToken ?? this.#options.bytesPerToken;
    if (perToken === null || this.has(file.tenant, file.digest)) return false;
    const bytes = Math.ceil(perToken * file.promptTokens);
    const { encodeMs, wanted } = file;
    if (!worthSaving({ bytes, encodeMs }, life.rates.saveMsPerByte, wanted)) return false;
    const leaving = this.#index.makeRoom(bytes);
    if (leaving === null) return false;
    await this.#delete(leaving);
    const name = `${life.number}-${++this.#names}.slot`;
    const saved = await this.#options.engineSlots.save(engine, slot.id, name);
    if (saved === null) {
      // A full disk leaves half a file.
      await this.#options.erase(name);
      if (this.#unsavedInLife !== life.number) this.#options.onUnsaved?.();
      this.#unsavedInLife = life.number;
      return false;
    }
    life.measure('bytesPerToken', saved.bytes / Math.max(1, saved.tokens));
    life.measure('saveMsPerByte', saved.ms / Math.max(1, saved.bytes));
    this.#index.add({ name, tenant: file.tenant, digest: file.digest, bytes: saved.bytes });
    // It may have come out larger than predicted.
    await this.#delete(this.#index.makeRoom(0) ?? []);
    return true;
  }

  /** Brings a prompt back into a slot; a file that does not fit is given up. */
  async restore(engine: Pool, slot: Slot, tenant: Tenant, digest: string): Promise<boolean> {
    const file = this.#index.hold(tenant, digest);
    if (file === null) return false;
    try {
      const restored = await this.#options.engineSlots.restore(engine, slot.id, file.name);
      if (!restored) this.#index.remove(file);
      return restored;
    } finally {
      this.#index.release(file);
      if (!this.#index.has(tenant, digest)) await this.#options.erase(file.name);
    }
  }

  /** The engine that wrote them is gone, or what is in them is not what was thought. */
  async clear(): Promise<void> {
    await this.#delete(this.#index.clear());
  }

  async #delete(files: readonly SlotFile[]): Promise<void> {
    await Promise.all(files.map((file) => this.#options.erase(file.name)));
  }
}
