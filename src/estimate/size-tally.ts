import type { EstimateInput } from '../contracts/estimate.ts';
import { keyHash } from './shard.ts';

/** Inputs of one size or length. */
export type SizeCount = Pick<
  EstimateInput,
  'modality' | 'format' | 'frames' | 'width' | 'height' | 'turned' | 'seconds' | 'detail' | 'count'
>;

/** What advice is made of: how many inputs there are of which size. */
export type SizeTallyState = {
  readonly sizes: readonly SizeCount[];
  /** False where there were more sizes than are kept: what is said then holds for at least these. */
  readonly complete: boolean;
};

/** Enough to see what saves tokens in any pile, and a few hundred kilobytes. */
const MOST_SIZES = 2000;

/**
 * Counts inputs by size in bounded memory. Of more sizes than fit, those with the smallest hash are kept with
 * their exact counts: the same ones whatever the order of the inputs, and `mergeSizes` of parts gives what
 * the whole would have given.
 */
export class SizeTally {
  readonly #kept = new Map<string, Hashed>();
  #complete = true;
  #limit = Number.POSITIVE_INFINITY;

  add(input: SizeCount, copies = 1): void {
    const { modality, format, frames, width, height, turned, seconds, detail } = input;
    if (modality === 'text') return;
    const key = `${modality} ${format} ${frames} ${width} ${height} ${turned} ${seconds} ${detail}`;
    const count = input.count * copies;
    const known = this.#kept.get(key);
    if (known !== undefined) {
      known.count += count;
      return;
    }
    const kind = { modality, format, frames, width, height, turned, seconds, detail };
    const hash = keyHash(key);
    if (hash > this.#limit) return;
    this.#kept.set(key, { hash, key, kind, count });
    if (this.#kept.size > 2 * MOST_SIZES) this.#trim();
  }

  #trim(): void {
    const sorted = [...this.#kept.values()].sort(byHash);
    for (const { key } of sorted.slice(MOST_SIZES)) {
      this.#kept.delete(key);
      this.#complete = false;
    }
    if (!this.#complete) this.#limit = sorted[MOST_SIZES - 1]?.hash ?? this.#limit;
  }

  state(): SizeTallyState {
    this.#trim();
    const sizes = [...this.#kept.values()]
      .sort(byHash)
      .map(({ kind, count }) => ({ ...kind, count }));
    return { sizes, complete: this.#complete };
  }
}

/** The tally of all inputs from those of parts of them. */
export function mergeSizes(parts: readonly SizeTallyState[]): SizeTallyState {
  const tally = new SizeTally();
  for (const { sizes } of parts) for (const size of sizes) tally.add(size);
  const { sizes, complete } = tally.state();
  return { sizes, complete: complete && parts.every((part) => part.complete) };
}

type Hashed = {
  readonly hash: number;
  readonly key: string;
  readonly kind: Omit<SizeCount, 'count'>;
  count: number;
};

function byHash(one: Hashed, other: Hashed): number {
  return one.hash - other.hash || (one.key < other.key ? -1 : 1);
}
