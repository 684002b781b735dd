import { MOST_LENGTH } from './stretches.ts';

const BITS = 1 << 24;

/**
 * Where a text can be cut without changing its tokens: between two characters that no merge ever brings
 * together. Merges on either side of such a seam cannot see each other, so a book costs as much as its
 * words. The pairs are kept as bits of a hash: two that share one only leave a seam unused.
 */
export class Seams {
  readonly #bits = new Uint8Array(BITS / 8);

  /** Tells that the merges may join something that ends in `left` to something that starts with `right`. */
  join(left: number, right: number): void {
    const bit = bitOf(left, right);
    this.#bits[bit >> 3] = (this.#bits[bit >> 3] ?? 0) | (1 << (bit & 7));
  }

  /** Tells that `token` may come about by merging: all of its neighbours. */
  joinAll(token: string): void {
    let before: number | null = null;
    for (const character of token) {
      const code = character.codePointAt(0) ?? 0;
      if (before !== null) this.join(before, code);
      before = code;
    }
  }

  /** The parts of `text` between its seams, in order; none longer than `MOST_LENGTH`. */
  cut(text: string, take: (part: string) => void): void {
    let start = 0;
    let before: number | null = null;
    for (let at = 0; at < text.length;) {
      const code = text.codePointAt(at) ?? 0;
      const seam = before !== null && !this.#joined(before, code);
      if (seam || at - start >= MOST_LENGTH) {
        take(text.slice(start, at));
        start = at;
      }
      before = code;
      at += code > 0xffff ? 2 : 1;
    }
    if (start < text.length) take(text.slice(start));
  }

  #joined(left: number, right: number): boolean {
    const bit = bitOf(left, right);
    return ((this.#bits[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  }
}

function bitOf(left: number, right: number): number {
  return ((Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 8) & (BITS - 1);
}
