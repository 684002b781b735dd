const BITS = 2 ** 24;
const PROBES = 5;

/**
 * How many different keys were seen, in 2 MiB however many there are: a Bloom filter over digests. A key
 * that looks seen before is not counted, so it tells too few, never too many: under 1 in 10,000 up to
 * 200,000 keys, about 1 in 1,000 at a million.
 */
export class UniqueCount {
  readonly #bits = new Uint32Array(BITS / 32);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** True when `key`, a digest of at least 40 hex digits, is new. */
  add(key: string): boolean {
    let isNew = false;
    for (let probe = 0; probe < PROBES; probe++) {
      // Digests are uniform: their parts serve as independent hashes.
      const bit = Number.parseInt(key.slice(8 * probe, 8 * probe + 8), 16) % BITS;
      const word = bit >>> 5;
      const mask = 1 << (bit & 31);
      const bits = this.#bits[word] ?? 0;
      if ((bits & mask) !== 0) continue;
      isNew = true;
      this.#bits[word] = bits | mask;
    }
    if (isNew) this.#count += 1;
    return isNew;
  }
}
