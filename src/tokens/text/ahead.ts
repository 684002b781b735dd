import type { Vocabulary } from './vocabulary.ts';

/** Tokens of each of these texts, none of them empty, from a program that has to be waited for. */
export type AskCounts = (texts: readonly string[]) => Promise<readonly number[]>;

/**
 * Texts that only a program outside can count, where counting must not wait: everything is counted twice,
 * first by `rehearsal`, which takes note of the texts, then, once they have been asked about together, for
 * good.
 */
export type Ahead = {
  /** Says 0 of every text and remembers it. */
  readonly rehearsal: Vocabulary;
  /**
   * Asks about all that was remembered and forgets what was known before, but for what is kept for good.
   * Throws what the program fails with.
   */
  readonly settle: (how?: { readonly keep: boolean }) => Promise<void>;
};

type Edges = Pick<Vocabulary, 'bos' | 'eos' | 'addBos' | 'addEos' | 'source'>;

/** A vocabulary of a model file whose texts `ask` counts; it holds no more texts than one rehearsal asked for. */
export function askedVocabulary(edges: Edges, ask: AskCounts): Vocabulary {
  const kept = new Map<string, number>();
  let known = new Map<string, number>();
  let wanted = new Set<string>();
  const settle: Ahead['settle'] = async (how = { keep: false }) => {
    const texts = [...wanted].filter((text) => text !== '' && !kept.has(text));
    wanted = new Set();
    const asked = texts.filter((text) => !known.has(text));
    const counts = asked.length === 0 ? [] : await ask(asked);
    const fresh = new Map(asked.map((text, at) => [text, counts[at] ?? 0]));
    const all = new Map(texts.map((text) => [text, known.get(text) ?? fresh.get(text) ?? 0]));
    if (how.keep) for (const [text, count] of all) kept.set(text, count);
    else known = all;
  };
  const count = (text: string): number => {
    const tokens = text === '' ? 0 : (kept.get(text) ?? known.get(text));
    if (tokens === undefined) throw new Error('a text is counted that was not asked about before');
    return tokens;
  };
  const base = { kind: 'vocabulary', confidence: 'exact', frame: null, ...edges } as const;
  const rehearsal: Vocabulary = {
    ...base,
    count: (text) => {
      wanted.add(text);
      return 0;
    },
  };
  return { ...base, count, ahead: { rehearsal, settle } };
}
