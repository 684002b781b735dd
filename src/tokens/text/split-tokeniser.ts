import { SpecialTokens } from './special-tokens.ts';
import type { TokenLists } from './token-lists.ts';
import type { Tokeniser } from './vocabulary.ts';

/** What is so for every vocabulary of a model file. */
export const OF_THE_FILE = {
  kind: 'vocabulary',
  confidence: 'exact',
  source: 'the model’s own vocabulary',
  frame: null,
} as const;

export type TakeTokens = (ids: readonly number[]) => void;

/** Tokenises text without special tokens in it; `afterSpecial` also at the start of the input. */
type TokeniseText = (text: string, afterSpecial: boolean, take: TakeTokens) => void;

/** Half of a UTF-16 pair cannot be sent: it becomes U+FFFD on the way. */
const LONE_HALF = /\p{Surrogate}/gu;

/** The two ways to ask a vocabulary, of one that knows plain text: special tokens are found before. */
export function splitTokeniser(
  lists: TokenLists,
  tokeniseText: TokeniseText,
): Pick<Tokeniser, 'tokenise' | 'count'> {
  const special = new SpecialTokens(lists);
  const each = (text: string, parseSpecial: boolean, take: TakeTokens) => {
    let afterSpecial = true;
    for (const fragment of special.split(text.replace(LONE_HALF, '\uFFFD'), parseSpecial)) {
      if (typeof fragment === 'string') tokeniseText(fragment, afterSpecial, take);
      else take([fragment.id]);
      afterSpecial = typeof fragment !== 'string';
    }
  };
  return {
    tokenise: (text, { parseSpecial }) => {
      const ids: number[] = [];
      each(text, parseSpecial, (some) => {
        for (const id of some) ids.push(id);
      });
      return ids;
    },
    count: (text, { parseSpecial }) => {
      let count = 0;
      each(text, parseSpecial, ({ length }) => {
        count += length;
      });
      return count;
    },
  };
}
