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
  return known(tokens, 'tokenizer', vocabulary.source);
}

export function known(tokens: number, rule: string, detail: string): TextCount {
  return { tokens, low: tokens, high: tokens, rule, detail };
}

/** What chat templates say about tools before they list them. */
const PREAMBLE_TOKENS = 250;

/**
 * Tools or a schema by their JSON, from the count of its text. Vendors rewrite it in a form that they do not
 * publish, down to half as long; templates of open models indent it and explain it.
 */
export function definitionText({ tokens, low, high, rule }: TextCount): TextCount {
  const detail =
    'by its JSON: how it is written into the prompt is not published, or the template’s';
  return {
    ...{ tokens, rule, detail },
    ...{ low: Math.floor(low / 2), high: high * 2 + PREAMBLE_TOKENS },
  };
}

/** Chinese, Japanese and Korean signs are about a token each in the vocabularies in use. */
const IDEOGRAPHS = /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}/gu;
/** English prose has 4 to 5 characters a token, code and other European languages 2.5 to 3.5. */
const LOW = 0.7;
const HIGH = 1.7;

type RuleOfThumb = { readonly characters: number; readonly basis: string };

/** platform.openai.com/tokenizer states the four for English. */
const USUAL: RuleOfThumb = { characters: 4, basis: 'no tokenizer at hand' };
/** What vendors say of their own vocabularies, by the ids of their models. */
const BY_VENDOR: readonly (readonly [ids: RegExp, rule: RuleOfThumb])[] = [
  [
    // platform.claude.com, token counting: the newer tokenizer makes about 30 % more of the same text.
    /^claude-(opus-(4-[7-9]|5)|sonnet-5|fable)/,
    {
      characters: 3.5 / 1.3,
      basis: 'Anthropic’s 3.5 for English, and 30 % more for this tokenizer',
    },
  ],
  // docs.claude.com, glossary: a token is about 3.5 English characters.
  [/^claude-/, { characters: 3.5, basis: 'Anthropic’s figure for English' }],
  // ai.google.dev/gemini-api/docs/tokens
  [/^gemini-/, { characters: 4, basis: 'Google’s figure' }],
];

/**
 * The rule of thumb for a text whose tokenizer is not at hand: a token for every four characters, or as
 * many as the vendor of `model` says, and one for every ideograph.
 */
export function approximateText(text: string, model: string): TextCount {
  const { characters, basis } = BY_VENDOR.find(([ids]) => ids.test(model))?.[1] ?? USUAL;
  const ideographs = text.match(IDEOGRAPHS)?.length ?? 0;
  const others = charactersOf(text) - ideographs;
  const tokens = ideographs + Math.ceil(others / characters);
  return {
    tokens,
    low: Math.floor(tokens * LOW),
    high: Math.ceil(tokens * HIGH),
    rule: 'characters',
    detail: `about a token for ${characters.toFixed(1).replace('.0', '')} characters: ${basis}`,
  };
}

/** Code points, without a list of them. */
function charactersOf(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0xdc00 || unit > 0xdfff) count++;
  }
  return count;
}
