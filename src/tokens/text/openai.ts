import { forEachStretch } from './stretches.ts';
import type { Tokeniser } from './vocabulary.ts';

export type EncodingName = 'o200k_base' | 'cl100k_base';

/**
 * Encodings by model: tiktoken's `model.py` and the model lists of gpt-tokenizer 4.0 (2026-11), which
 * gives `o200k_base` to every model that it does not name. `published`: OpenAI's cookbook names the
 * model's messages as well ("How to count tokens with tiktoken", `num_tokens_from_messages`); for others
 * they are taken to be the same.
 */
const ENCODINGS: readonly (readonly [ids: RegExp, name: EncodingName, published: boolean])[] = [
  [/^gpt-4(-turbo|-vision-preview)/, 'cl100k_base', true],
  [/^gpt-4o(-mini)?$/, 'o200k_base', true],
  [/^(gpt-4o|gpt-4\.1|chatgpt-4o|o[134]|gpt-5|gpt-6|gpt-audio)(?=[-.]|$)/, 'o200k_base', false],
];

/** UTF-16 units: the time that gpt-tokenizer takes for a word grows with the square of its length. */
const LONGEST_STRETCH = 1 << 13;

/** Tokens that OpenAI adds to each message, and those that start the answer (the cookbook's function). */
const FRAME = { message: 3, answer: 3 } as const;

type Options = { readonly disallowedSpecial: Set<string> };

/** What is taken of gpt-tokenizer. */
export type Encoding = {
  readonly encode: (text: string, options: Options) => number[];
  readonly countTokens: (text: string, options: Options) => number;
};
export type LoadEncoding = (name: EncodingName) => Encoding;

/** The vocabulary of a model of OpenAI's API, by its profile's id; null for any other model. */
export function openAiVocabulary(id: string, load: LoadEncoding): Tokeniser | null {
  const known = ENCODINGS.find(([ids]) => ids.test(id));
  if (known === undefined) return null;
  const [, name, published] = known;
  let loaded: Encoding | undefined;
  // Two megabytes of ranks: an estimate of images alone never needs them.
  const encoding = () => (loaded ??= load(name));
  // What looks like a special token in a message is text to the API.
  const literally = { disallowedSpecial: new Set<string>() };
  return {
    kind: 'vocabulary',
    confidence: published ? 'exact' : 'formula',
    source: `OpenAI’s ${name}`,
    ...{ bos: null, eos: null, addBos: false, addEos: false },
    frame: FRAME,
    tokenise: (text) => encoding().encode(text, literally),
    count: (text) => {
      const { countTokens } = encoding();
      let count = 0;
      const add = (stretch: string) => {
        count += countTokens(stretch, literally);
      };
      forEachStretch(text, add, LONGEST_STRETCH);
      return count;
    },
  };
}
