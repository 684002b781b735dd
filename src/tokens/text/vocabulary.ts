import type { Ahead } from './ahead.ts';
import { bpeVocabulary } from './bpe.ts';
import { spmVocabulary } from './spm.ts';
import type { Edge, TokenizerKeys } from './token-lists.ts';

type CountOptions = {
  /** Take the text of control tokens for the tokens: in prompts, not in what a user means literally. */
  readonly parseSpecial: boolean;
};

/** Counts texts as the engine of a model does; one object whatever kind of tokenizer stands behind it. */
export type Vocabulary = {
  readonly kind: 'vocabulary';
  /** `formula` where something about it is taken to be as with a model that is documented. */
  readonly confidence: 'exact' | 'formula';
  /** Whose it is, in words. */
  readonly source: string;
  /** Tokens that a vendor puts around each message and before the answer; null: a chat template does. */
  readonly frame: { readonly message: number; readonly answer: number } | null;
  readonly bos: Edge | null;
  readonly eos: Edge | null;
  /** Whether the tokenizer itself puts them at the edges of a prompt. */
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** Tokens of a text, without those of its edges. Throws `gguf.invalid` where the engine fails too. */
  readonly count: (text: string, options: CountOptions) => number;
  /** Where a program outside counts, which has to be asked before. */
  readonly ahead?: Ahead;
};

/** One that is followed here, and so can tell the tokens themselves. */
export type Tokeniser = Vocabulary & {
  readonly tokenise: (text: string, options: CountOptions) => number[];
};

/** A vocabulary that only the engine can count with. */
export type UnsupportedTokenizer = {
  readonly kind: 'unsupported-tokenizer';
  /** `tokenizer.ggml.model`, with `tokenizer.ggml.pre` where that is what is unknown; `none` without one. */
  readonly model: string;
};

/**
 * The vocabulary of a model file with llama.cpp's defaults and corrections (`llama-vocab.cpp`, b11669).
 * Throws `gguf.invalid` where its lists are missing or too short, which llama.cpp refuses too.
 */
export function vocabularyOf(metadata: TokenizerKeys): Tokeniser | UnsupportedTokenizer {
  const model = metadata.get('tokenizer.ggml.model');
  switch (model) {
    case 'llama':
      return spmVocabulary(metadata);
    case 'gpt2':
    case 'gemma4':
      return bpeVocabulary(metadata, model);
    default:
      return { kind: 'unsupported-tokenizer', model: typeof model === 'string' ? model : 'none' };
  }
}
