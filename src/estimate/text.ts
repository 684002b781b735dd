import type { Vocabulary } from '../tokens/text/vocabulary.ts';

/** How many tokens a text costs, and between which bounds it lies where no tokenizer is at hand. */
export type TextCount = {
  readonly tokens: number;
  readonly low: number;
  readonly high: number;
  readonly rule: string;
  readonly detail: string;
};

/** Tokens of `text` by the model's own vocabulary; control tokens typed as text count as such, as in a chat. */
export function exactText(text: string, vocabulary: Vocabulary): TextCount {
  const tokens = vocabulary.count(text, { parseSpecial: true });
  return known(tokens, 'tokenizer', 'the model’s own vocabulary');
}

export function known(tokens: number, rule: string, detail: string): TextCount {
  return { tokens, low: tokens, high: tokens, rule, detail };
}

const CHARACTERS_PER_TOKEN = 4;
/** Chinese, Japanese and Korean signs are about a token each in the vocabularies in use. */
const IDEOGRAPHS = /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}/gu;
/** English prose has 4 to 5 characters a token, code and other European languages 2.5 to 3.5. */
const LOW = 0.7;
const HIGH = 1.7;

/**
 * The rule of thumb for a text whose tokenizer is not at hand: a token for every four characters and
 * one for every ideograph (platform.openai.com/tokenizer states the four for English).
 */
export function approximateText(text: string): TextCount {
  const ideographs = text.match(IDEOGRAPHS)?.length ?? 0;
  const others = Array.from(text).length - ideographs;
  const tokens = ideographs + Math.ceil(others / CHARACTERS_PER_TOKEN);
  return {
    tokens,
    low: Math.floor(tokens * LOW),
    high: Math.ceil(tokens * HIGH),
    rule: 'characters',
    detail: `about a token for ${CHARACTERS_PER_TOKEN} characters: no tokenizer at hand`,
  };
}
