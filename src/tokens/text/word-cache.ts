/** Words of a language are few, their occurrences many. */
const MOST_WORDS = 1 << 16;
const LONGEST_WORD = 64;

/** Remembers the tokens of words, so that each is merged once. Memory is bounded: when full it starts anew. */
export class WordCache {
  readonly #tokens = new Map<string, readonly number[]>();

  get(word: string, tokenise: (word: string) => readonly number[]): readonly number[] {
    if (word.length > LONGEST_WORD) return tokenise(word);
    const known = this.#tokens.get(word);
    if (known !== undefined) return known;
    const tokens = tokenise(word);
    if (this.#tokens.size >= MOST_WORDS) this.#tokens.clear();
    // A copy of its own: a part of a text would keep the whole text in memory.
    this.#tokens.set(` ${word}`.slice(1), tokens);
    return tokens;
  }
}
