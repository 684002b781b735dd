import { MmdeployError } from '../../errors.ts';
import type { GgufMetadata } from '../../gguf/header.ts';

export type TokenizerKeys = Pick<GgufMetadata, 'get' | 'stringArray' | 'numberArray'>;

/** The token at an edge of the input. */
export type Edge = { readonly id: number; readonly text: string };

/** What every kind of vocabulary has in a model file. */
export type TokenLists = {
  /** Text by id; llama.cpp names the empty ones. */
  readonly tokens: readonly string[];
  readonly types: readonly number[] | undefined;
  readonly modelName: string;
};

const PREFIX = 'tokenizer.ggml.';

/** Throws `gguf.invalid` where a list is missing or too short, which llama.cpp refuses too. */
export function tokenLists(metadata: TokenizerKeys): TokenLists {
  const stored = metadata.stringArray(`${PREFIX}tokens`);
  if (stored === undefined) throw vocabularyFault('tokens', 'is missing');
  const tokens = stored.map((text, id) => (text === '' ? `[EMPTY_${id}]` : text));
  const types = numberList(metadata, 'token_type', tokens.length);
  const name = metadata.get('general.name');
  return { tokens, types, modelName: typeof name === 'string' ? name : '' };
}

/** A list with an entry for each token; throws `gguf.invalid` where it is shorter. */
export function numberList(
  metadata: TokenizerKeys,
  key: string,
  length: number,
): readonly number[] | undefined {
  const list = metadata.numberArray(`${PREFIX}${key}`);
  if (list !== undefined && list.length < length) {
    throw vocabularyFault(key, `has ${list.length} entries for ${length} tokens`);
  }
  return list;
}

/** The token of `bos` or `eos`, by the file or, where it names none that exists, by default; null for none. */
export function edgeToken(
  metadata: TokenizerKeys,
  key: 'bos' | 'eos',
  tokens: readonly string[],
  fallback: number | null,
): Edge | null {
  const asked = metadata.get(`${PREFIX}${key}_token_id`);
  const id = typeof asked === 'number' && asked < tokens.length ? asked : fallback;
  const text = id === null ? undefined : tokens[id];
  return id === null || text === undefined ? null : { id, text };
}

export function tokenizerFlag(metadata: TokenizerKeys, key: string, fallback: boolean): boolean {
  const asked = metadata.get(`${PREFIX}${key}`);
  return typeof asked === 'boolean' ? asked : fallback;
}

export function vocabularyFault(key: string, what: string): MmdeployError {
  return new MmdeployError('gguf.invalid', `${PREFIX}${key} ${what}`, {
    hints: ['the file has no usable vocabulary: fetch it again, then `mmdeploy plan FILE`'],
  });
}
