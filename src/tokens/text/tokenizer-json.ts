import { messageOf } from '../../errors.ts';
import { forEachStretch } from './stretches.ts';
import type { Edge } from './token-lists.ts';
import type { UnsupportedTokenizer, Tokeniser } from './vocabulary.ts';

/** UTF-16 units: the library holds every piece of what it is given at once. */
const LONGEST_STRETCH = 1 << 18;

/** What is used of the library: its own types name modules in a way that is not resolved here. */
type LibraryTokenizer = {
  readonly encode: (
    text: string,
    options: { readonly add_special_tokens: boolean },
  ) => { readonly ids: number[] };
  readonly token_to_id: (token: string) => number | undefined;
};
type Library = {
  readonly Tokenizer: new (tokenizer: object, config: object) => LibraryTokenizer;
};

/**
 * The vocabulary of a `tokenizer.json`, with the `tokenizer_config.json` beside it where there is one.
 * Texts are counted as Hugging Face's tokenizers count them, begin and end tokens left to the chat template,
 * as vLLM does; how an engine joins the parts of a message is taken to be as in llama.cpp.
 */
export async function tokenizerJsonVocabulary(
  tokenizer: object,
  config: Readonly<Record<string, unknown>>,
): Promise<Tokeniser | UnsupportedTokenizer> {
  const { Tokenizer } = (await import('@huggingface/tokenizers')) as unknown as Library;
  let made: LibraryTokenizer;
  try {
    made = new Tokenizer(tokenizer, config);
  } catch (error) {
    return { kind: 'unsupported-tokenizer', model: messageOf(error) };
  }
  const tokenise = (text: string) => made.encode(text, { add_special_tokens: false }).ids;
  const edge = (key: 'bos_token' | 'eos_token'): Edge | null => {
    const text = tokenText(config[key]);
    const id = text === null ? undefined : made.token_to_id(text);
    return text === null || id === undefined ? null : { id, text };
  };
  return {
    kind: 'vocabulary',
    confidence: 'formula',
    source: 'the given tokenizer.json',
    frame: null,
    bos: edge('bos_token'),
    eos: edge('eos_token'),
    ...{ addBos: false, addEos: false },
    tokenise,
    count: (text) => {
      let count = 0;
      const add = (stretch: string) => {
        count += tokenise(stretch).length;
      };
      forEachStretch(text, add, LONGEST_STRETCH);
      return count;
    },
  };
}

/** A token by its text, or by an object that holds it. */
function tokenText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null || !('content' in value)) return null;
  return typeof value.content === 'string' ? value.content : null;
}
