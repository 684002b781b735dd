import type { TokenLists } from './token-lists.ts';

/** A token that is found in the text as a whole before anything else is split. */
export type SpecialToken = {
  readonly id: number;
  readonly text: string;
  /** Control and unknown tokens are found only where special tokens are parsed. */
  readonly onlyParsed: boolean;
  /** White space after it belongs to it (Phi-3). */
  readonly stripsRight: boolean;
};

/** A stretch of plain text, or a special token in it. */
export type Fragment = string | SpecialToken;

/** `llama_token_type`. */
const TYPES = { normal: 1, unknown: 2, control: 3, userDefined: 4 } as const;

/** Ends of a generation and marks of code models, which llama.cpp makes control tokens by their text. */
const CONTROL_BY_TEXT: ReadonlySet<string> = new Set(
  (
    '<|eot_id|> <|im_end|> <|end|> <|return|> <|call|> <|flush|> <|calls|> <end_of_turn> <|endoftext|> ' +
    '</s> <|eom_id|> <EOT> _<EOT> [EOT] [EOS] <|end_of_text|> <end_of_utterance> <eos> <turn|> ' +
    '<|tool_response> <｜end▁of▁sentence｜> [e~[ ' +
    '<|fim_prefix|> <fim-prefix> <fim_prefix> <｜fim▁begin｜> <PRE> ▁<PRE> <|code_prefix|> <|prefix|> ' +
    '<|fim_suffix|> <fim-suffix> <fim_suffix> <｜fim▁hole｜> <SUF> ▁<SUF> <|code_suffix|> <|suffix|> ' +
    '<|fim_middle|> <fim-middle> <fim_middle> <｜fim▁end｜> <MID> ▁<MID> <|code_middle|> <|middle|> ' +
    '<|fim_pad|> <fim-pad> <fim_pad> <PAD> [PAD] ' +
    '<|fim_repo|> <|repo_name|> <fim-repo> <REPO> <reponame> <|file_sep|>'
  ).split(' '),
);
/** The marks of gpt-oss, which are always found. */
const ALWAYS_FOUND: ReadonlySet<string> = new Set([
  '<|channel|>',
  '<|message|>',
  '<|start|>',
  '<|constrain|>',
]);
const PHI3_KEEPS_SPACE: ReadonlySet<string> = new Set(['<unk>', '<s>', '<|endoftext|>']);
/** What C's `isspace` strips after a token of Phi-3. */
const LEADING_SPACE = /^[ \t\n\v\f\r]+/;

/** Finds the special tokens of a text as `tokenizer_st_partition` does. */
export class SpecialTokens {
  /** Longest first, as they are looked for. */
  readonly #tokens: readonly SpecialToken[];
  /** By their first two UTF-16 units: a vocabulary has thousands, a text few of them. */
  readonly #starts = new Map<number, SpecialToken[]>();

  constructor(lists: TokenLists) {
    this.#tokens = specialTokens(lists);
    for (const token of this.#tokens) {
      const key = startOf(token.text, 0);
      const others = this.#starts.get(key);
      if (others === undefined) this.#starts.set(key, [token]);
      else others.push(token);
    }
  }

  /** Cuts the text at special tokens: each of them, the longest first, takes what is left of the text. */
  split(text: string, parseSpecial: boolean): readonly Fragment[] {
    let parts: readonly Fragment[] = text === '' ? [] : [text];
    const present = this.#within(text);
    if (present.size === 0) return parts;
    for (const token of this.#tokens) {
      if (!present.has(token) || (token.onlyParsed && !parseSpecial)) continue;
      parts = parts.flatMap((part) => (typeof part === 'string' ? splitAt(part, token) : [part]));
    }
    return parts;
  }

  #within(text: string): ReadonlySet<SpecialToken> {
    const found = new Set<SpecialToken>();
    for (let at = 0; at < text.length; at++) {
      const tokens = this.#starts.get(startOf(text, at));
      for (const token of tokens ?? []) if (text.startsWith(token.text, at)) found.add(token);
    }
    for (const token of this.#tokens) {
      if (token.text.length === 1 && text.includes(token.text)) found.add(token);
    }
    return found;
  }
}

function startOf(text: string, at: number): number {
  return text.charCodeAt(at) * 0x10000 + (text.charCodeAt(at + 1) || 0);
}

function splitAt(text: string, token: SpecialToken): Fragment[] {
  const parts: Fragment[] = [];
  let rest = text;
  for (;;) {
    const at = rest.indexOf(token.text);
    if (at < 0) break;
    if (at > 0) parts.push(rest.slice(0, at));
    parts.push(token);
    rest = rest.slice(at + token.text.length);
    if (token.stripsRight) rest = rest.replace(LEADING_SPACE, '');
  }
  if (rest !== '') parts.push(rest);
  return parts;
}

/** All of a vocabulary, in the order in which the engine looks for them: by length in bytes, longest first. */
export function specialTokens({ tokens, types, modelName }: TokenLists): SpecialToken[] {
  const phi3 = /phi-?3/i.test(modelName);
  const all = new Set(tokens);
  const has = (text: string) => all.has(text);
  // gpt-oss and Solar go on after `<|end|>`, Gemma 4 has `</s>` only for the look of it.
  const goesOnAfterEnd =
    (has('<|return|>') && (has('<|call|>') || has('<|calls|>'))) ||
    ((has('<|call|>') || has('<|calls|>')) && has('<|flush|>'));
  const typeOf = (text: string, id: number): number => {
    if (ALWAYS_FOUND.has(text)) return TYPES.userDefined;
    if (text === '<|end|>' && goesOnAfterEnd) return TYPES.userDefined;
    if (text === '</s>' && has('<|tool_response>')) return TYPES.normal;
    return CONTROL_BY_TEXT.has(text) ? TYPES.control : (types?.[id] ?? TYPES.normal);
  };
  const bytes = new TextEncoder();
  return tokens
    .flatMap((text, id) => {
      const type = typeOf(text, id);
      const onlyParsed = type === TYPES.control || type === TYPES.unknown;
      if (!onlyParsed && type !== TYPES.userDefined) return [];
      const stripsRight = phi3 && !PHI3_KEEPS_SPACE.has(text);
      return [{ token: { id, text, onlyParsed, stripsRight }, length: bytes.encode(text).length }];
    })
    .sort((a, b) => b.length - a.length)
    .map(({ token }) => token);
}
