import { countWrapper } from '../tokens/text/chat.ts';
import type { Vocabulary } from '../tokens/text/vocabulary.ts';

/** A string that the vocabulary has not as one token is several: the model's own tokenizer decides. */
export function wrapperTokens(
  { vocabulary }: { readonly vocabulary: Vocabulary | null },
  wrapper: { readonly begin: string; readonly end: string; readonly tokens: number },
): number {
  // What a vendor puts around an image is a number, no string: its tokenizer need not be loaded.
  if (vocabulary === null || vocabulary.frame !== null) return wrapper.tokens;
  return countWrapper(wrapper.begin, vocabulary) + countWrapper(wrapper.end, vocabulary);
}
