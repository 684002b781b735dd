/**
 * Does little things many at a time. Between two requests the code and the data of a counter or of a
 * line in the log go cold, and each costs more than it does in a row of them.
 */
export class Together<Item> {
  readonly #most: number;
  readonly #act: (item: Item) => void;
  #items: Item[] = [];

  /** `act` is called for each item in its order, once `most` have come or `flush` is called. */
  constructor(most: number, act: (item: Item) => void) {
    this.#most = most;
    this.#act = act;
  }

  add(item: Item): void {
    if (this.#items.push(item) >= this.#most) this.flush();
  }

  flush(): void {
    const items = this.#items;
    this.#items = [];
    for (const item of items) this.#act(item);
  }
}
