import { MmdeployError } from '../../errors.ts';
import type { GgufMetadata } from '../../gguf/header.ts';

/** A token that is found in the text as a whole before anything else is split. */
export type SpecialToken = {
  readonly id: number;
  readonly text: string;
  /** Control and unknown tokens are found only where special tokens are parsed. */
  readonly onlyParsed: boolean;
  /** White space after it belongs to it (Phi-3). */
  readonly stripsRight: boolean;
};

/** A SentencePiece vocabulary with scores (`tokenizer.ggml.model` = `llama`). */
export type SpmVocabulary = {
  readonly kind: 'spm';
  readonly ids: ReadonlyMap<string, number>;
  /** Score by id: pieces of the higher score are merged first. */
  readonly scores: readonly number[];
  /** Longest first, as they are looked for. */
  readonly special: readonly SpecialToken[];
  readonly bos: Edge | null;
  readonly eos: Edge | null;
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** A space goes before a text that starts the input or follows a special token. */
  readonly addSpacePrefix: boolean;
};

/** The token at an edge of the input. */
type Edge = { readonly id: number; readonly text: string };

/** A vocabulary that only the engine can count with. */
export type UnsupportedTokenizer = {
  readonly kind: 'unsupported-tokenizer';
  /** `tokenizer.ggml.model`: `gpt2`, `bert` …; `none` for a file without a vocabulary. */
  readonly model: string;
};

type TokenizerKeys = Pick<GgufMetadata, 'get' | 'stringArray' | 'numberArray'>;

const PREFIX = 'tokenizer.ggml.';
/** `llama_token_type`. */
const TYPES = { normal: 1, unknown: 2, control: 3, userDefined: 4 } as const;

/** Ends of a generation by their text, which llama.cpp makes control tokens whatever the file says. */
const CONTROL_BY_TEXT: ReadonlySet<string> = new Set([
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<|return|>',
  '<|call|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '</s>',
  '<|eom_id|>',
  '<EOT>',
  '_<EOT>',
  '[EOT]',
  '[EOS]',
  '<|end_of_text|>',
  '<end_of_utterance>',
  '<eos>',
]);
const PHI3_KEEPS_SPACE: ReadonlySet<string> = new Set(['<unk>', '<s>', '<|endoftext|>']);

/**
 * The vocabulary of a model file with llama.cpp's defaults and corrections (`llama-vocab.cpp`, b11118).
 * Throws `gguf.invalid` where its lists are missing or too short, which llama.cpp refuses too.
 */
export function vocabularyOf(metadata: TokenizerKeys): SpmVocabulary | UnsupportedTokenizer {
  const model = metadata.get(`${PREFIX}model`);
  if (model !== 'llama') {
    return { kind: 'unsupported-tokenizer', model: typeof model === 'string' ? model : 'none' };
  }
  const stored = metadata.stringArray(`${PREFIX}tokens`);
  if (stored === undefined) throw fault('tokens', 'is missing');
  const tokens = stored.map((text, id) => (text === '' ? `[EMPTY_${id}]` : text));
  const scores = listOf(metadata, 'scores', tokens.length) ?? tokens.map(() => 0);
  const types = listOf(metadata, 'token_type', tokens.length);
  const edge = (key: string, fallback: number): Edge | null => {
    const asked = metadata.get(`${PREFIX}${key}_token_id`);
    const id = typeof asked === 'number' && asked < tokens.length ? asked : fallback;
    const text = tokens[id];
    return text === undefined ? null : { id, text };
  };
  const flag = (key: string, fallback: boolean) => {
    const asked = metadata.get(`${PREFIX}${key}`);
    return typeof asked === 'boolean' ? asked : fallback;
  };
  return {
    kind: 'spm',
    ids: new Map(tokens.map((text, id) => [text, id])),
    scores,
    special: specialTokens(tokens, types, isPhi3(metadata)),
    bos: edge('bos', 1),
    eos: edge('eos', 2),
    addBos: flag('add_bos_token', true),
    addEos: flag('add_eos_token', false),
    addSpacePrefix: flag('add_space_prefix', true),
  };
}

function listOf(metadata: TokenizerKeys, key: string, length: number) {
  const list = metadata.numberArray(`${PREFIX}${key}`);
  if (list !== undefined && list.length < length) {
    throw fault(key, `has ${list.length} entries for ${length} tokens`);
  }
  return list;
}

function fault(key: string, what: string): MmdeployError {
  return new MmdeployError('gguf.invalid', `${PREFIX}${key} ${what}`, {
    hints: ['the file has no usable vocabulary: fetch it again, then `mmdeploy plan FILE`'],
  });
}

function isPhi3(metadata: TokenizerKeys): boolean {
  const name = metadata.get('general.name');
  return typeof name === 'string' && /phi-?3/i.test(name);
}

function specialTokens(
  tokens: readonly string[],
  types: readonly number[] | undefined,
  phi3: boolean,
): SpecialToken[] {
  const bytes = new TextEncoder();
  return tokens
    .flatMap((text, id) => {
      const type = types?.[id] ?? TYPES.normal;
      const control = type === TYPES.control || CONTROL_BY_TEXT.has(text);
      const onlyParsed = control || type === TYPES.unknown;
      if (!onlyParsed && type !== TYPES.userDefined) return [];
      const stripsRight = phi3 && !PHI3_KEEPS_SPACE.has(text);
      return [{ token: { id, text, onlyParsed, stripsRight }, length: bytes.encode(text).length }];
    })
    .sort((a, b) => b.length - a.length)
    .map(({ token }) => token);
}
