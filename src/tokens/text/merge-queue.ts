/** Two neighbouring pieces that would make one token. */
export type Merge = {
  readonly score: number;
  /** Indices of the pieces; `length` is of their joined text when it was proposed. */
  readonly left: number;
  readonly right: number;
  readonly length: number;
};

/** A binary heap: the highest score first, of equal scores the leftmost. */
export class MergeQueue {
  readonly #heap: Merge[] = [];

  push(merge: Merge): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(merge);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt];
      if (parent === undefined || !precedes(merge, parent)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = merge;
  }

  pop(): Merge | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const best = this.#betterChild(at);
      const child = heap[best];
      if (child === undefined || !precedes(child, last)) break;
      heap[at] = child;
      at = best;
    }
    heap[at] = last;
    return first;
  }

  #betterChild(at: number): number {
    const child = 2 * at + 1;
    const left = this.#heap[child];
    const right = this.#heap[child + 1];
    return left !== undefined && right !== undefined && precedes(right, left) ? child + 1 : child;
  }
}

function precedes(a: Merge, b: Merge): boolean {
  return a.score > b.score || (a.score === b.score && a.left < b.left);
}
