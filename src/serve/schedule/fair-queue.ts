import type { Tenant } from '../seams.ts';

/**
 * Waiting requests, shared fairly by tenants: the next one is of the tenant that has been given the
 * least so far, by what its requests cost (start-time fair queueing). A tenant that comes anew, or
 * again, starts level with the one served last: idling saves nothing up, and nobody is repaid for it.
 *
 * Within a tenant the order is that of arrival; what cannot start yet is passed over and keeps its turn.
 */
export class FairQueue<Item> {
  /** By tenant, in order of arrival; a tenant without a waiting item has no entry. */
  readonly #waiting = new Map<Tenant, Item[]>();
  /** What each tenant has been given, in units of cost, on one scale for all. */
  readonly #given = new Map<Tenant, number>();
  /** Where the tenant stood that was served last. */
  #level = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  sizeOf(tenant: Tenant): number {
    return this.#waiting.get(tenant)?.length ?? 0;
  }

  /** In no particular order. */
  *items(): Generator<Item> {
    for (const items of this.#waiting.values()) yield* items;
  }

  add(tenant: Tenant, item: Item): void {
    this.#itemsOf(tenant).push(item);
    this.#size += 1;
  }

  /** To the head of its tenant's: it was taken out and could not start after all. */
  putBack(tenant: Tenant, item: Item): void {
    this.#itemsOf(tenant).unshift(item);
    this.#size += 1;
  }

  /** False when it is not waiting (any more). */
  remove(tenant: Tenant, item: Item): boolean {
    const items = this.#waiting.get(tenant) ?? [];
    const index = items.indexOf(item);
    if (index === -1) return false;
    items.splice(index, 1);
    this.#size -= 1;
    if (items.length === 0) this.#waiting.delete(tenant);
    if (this.#size === 0) this.#forgetIdle();
    return true;
  }

  /**
   * Takes out the first item in fair order that may start: `start` returns what starting it is, and
   * its cost, or null where it has to wait. null when none may start.
   */
  take<Start extends { readonly cost: number }>(
    start: (item: Item) => Start | null,
  ): { readonly item: Item; readonly start: Start } | null {
    const tenants = [...this.#waiting.keys()].sort((one, other) => this.#of(one) - this.#of(other));
    for (const tenant of tenants) {
      for (const item of this.#waiting.get(tenant) ?? []) {
        const started = start(item);
        if (started === null) continue;
        this.#level = Math.max(this.#level, this.#of(tenant));
        this.#given.set(tenant, this.#of(tenant) + started.cost);
        this.remove(tenant, item);
        return { item, start: started };
      }
    }
    return null;
  }

  /**
   * Takes out the newest item of the tenant that has the most waiting, if that is more than `tenant`
   * has: a full queue is shared, too. null when `tenant` itself has to yield.
   */
  pushOut(tenant: Tenant): Item | null {
    let most = this.sizeOf(tenant);
    let from: Tenant | null = null;
    for (const [other, items] of this.#waiting) {
      if (items.length <= most) continue;
      most = items.length;
      from = other;
    }
    const newest = from === null ? undefined : this.#waiting.get(from)?.at(-1);
    if (from === null || newest === undefined) return null;
    this.remove(from, newest);
    return newest;
  }

  #itemsOf(tenant: Tenant): Item[] {
    const known = this.#waiting.get(tenant);
    if (known !== undefined) return known;
    const items: Item[] = [];
    this.#waiting.set(tenant, items);
    this.#given.set(tenant, Math.max(this.#of(tenant), this.#level));
    return items;
  }

  #of(tenant: Tenant): number {
    return this.#given.get(tenant) ?? 0;
  }

  /** Tenants at or below the level would be lifted to it anyway; the others still owe. */
  #forgetIdle(): void {
    for (const [tenant, given] of this.#given) {
      if (given <= this.#level) this.#given.delete(tenant);
    }
  }
}
