import { BYTE_SIGNS } from './byte-signs.ts';
import { joinPieces } from './merge.ts';
import type { PreTokenizer } from './pre-tokenizers.ts';
import { preTokenizerOf } from './pre-tokenizers.ts';
import { Seams } from './seams.ts';
import type { TakeTokens } from './split-tokeniser.ts';
import { OF_THE_FILE, splitTokeniser } from './split-tokeniser.ts';
import type { TokenizerKeys } from './token-lists.ts';
import { edgeToken, tokenLists, tokenizerFlag, vocabularyFault } from './token-lists.ts';
import type { UnsupportedTokenizer, Tokeniser } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

/** `▁`, which stands for a space where bytes have no signs. */
const SPACE = '\u2581';

type Merges = {
  readonly ids: ReadonlyMap<string, number>;
  /** By `left right` as the file has it: the earlier merge goes first. */
  readonly ranks: ReadonlyMap<string, number>;
  readonly seams: Seams;
};

/**
 * A byte-pair vocabulary with merges (`tokenizer.ggml.model` = `gpt2` or `gemma4`), as llama.cpp applies
 * it; `unsupported-tokenizer` where its words are cut in a way that is not followed here.
 */
export function bpeVocabulary(
  metadata: TokenizerKeys,
  model: 'gpt2' | 'gemma4',
): Tokeniser | UnsupportedTokenizer {
  const named = metadata.get('tokenizer.ggml.pre');
  const pre =
    model === 'gemma4' ? model : typeof named === 'string' && named !== '' ? named : 'default';
  const cutting = preTokenizerOf(pre);
  if (cutting === null) return { kind: 'unsupported-tokenizer', model: `${model} (${pre})` };
  const lists = tokenLists(metadata);
  const { tokens } = lists;
  const merges = mergesOf(metadata, tokens);
  const words = new WordCache();
  const tokeniseText = (text: string, _: boolean, take: TakeTokens) => {
    const spelt = cutting.byteSigns ? text : text.replaceAll(' ', SPACE);
    const takeWord = (word: string) => {
      if (word.length > LONG_WORD) longWord(word, cutting, merges, take);
      else take(words.get(word, (each) => wordTokens(each, cutting, merges)));
    };
    cutting.cut(spelt, takeWord);
  };
  const noBos = model === 'gemma4' || pre === 'glm4' || pre === 'chatglm-bpe';
  return {
    ...OF_THE_FILE,
    bos: edgeToken(metadata, 'bos', tokens, noBos ? null : DEFAULT_EDGE),
    eos: edgeToken(metadata, 'eos', tokens, model === 'gemma4' ? null : DEFAULT_EDGE),
    addBos: !cutting.byteSigns || tokenizerFlag(metadata, 'add_bos_token', cutting.addBos),
    addEos: tokenizerFlag(metadata, 'add_eos_token', false),
    ...splitTokeniser(lists, tokeniseText),
  };
}

/** llama.cpp's begin and end of a byte-pair vocabulary that names none. */
const DEFAULT_EDGE = 11;
/** UTF-16 units from which a word is looked through for seams. */
const LONG_WORD = 64;

function mergesOf(metadata: TokenizerKeys, tokens: readonly string[]): Merges {
  const stored = metadata.stringArray('tokenizer.ggml.merges');
  if (stored === undefined) throw vocabularyFault('merges', 'is missing');
  const ranks = new Map<string, number>();
  const seams = new Seams();
  for (const [rank, merge] of stored.entries()) {
    if (ranks.has(merge)) continue;
    ranks.set(merge, rank);
    const space = merge.indexOf(' ', 1);
    seams.join(lastCode(merge, space), merge.codePointAt(space + 1) ?? 0);
  }
  return { ids: new Map(tokens.map((text, id) => [text, id])), ranks, seams };
}

/** Code point of the character that ends before `end`. */
function lastCode(text: string, end: number): number {
  const unit = text.charCodeAt(end - 1);
  const low = unit >= 0xdc00 && unit < 0xe000;
  return (low ? text.codePointAt(end - 2) : unit) ?? 0;
}

function wordTokens(word: string, cutting: PreTokenizer, merges: Merges): readonly number[] {
  const spelt = cutting.byteSigns ? signsOf(word) : word;
  const whole = wholeToken(spelt, cutting, merges);
  return whole === undefined ? mergedTokens(spelt, cutting, merges) : [whole];
}

function longWord(word: string, cutting: PreTokenizer, merges: Merges, take: TakeTokens): void {
  const spelt = cutting.byteSigns ? signsOf(word) : word;
  const whole = wholeToken(spelt, cutting, merges);
  if (whole !== undefined) take([whole]);
  else merges.seams.cut(spelt, (part) => take(mergedTokens(part, cutting, merges)));
}

/** Some vocabularies take a word that is a token as it stands; Gemma 4 does with runs of line feeds. */
function wholeToken(
  spelt: string,
  { wholeWords, byteSigns }: PreTokenizer,
  { ids }: Merges,
): number | undefined {
  return wholeWords || (!byteSigns && spelt.startsWith('\n')) ? ids.get(spelt) : undefined;
}

function mergedTokens(
  spelt: string,
  { byteSigns }: PreTokenizer,
  { ids, ranks }: Merges,
): readonly number[] {
  const scoreOf = (left: string, right: string) => {
    const rank = ranks.get(`${left} ${right}`);
    return rank === undefined ? undefined : -rank;
  };
  return joinPieces(Array.from(spelt), scoreOf).flatMap((piece) => {
    const id = ids.get(piece);
    if (id !== undefined) return [id];
    // Bytes without a token are dropped, as llama.cpp drops them.
    return Array.from(utf8.encode(piece), (byte) =>
      ids.get(byteSigns ? String.fromCharCode(byte) : byteName(byte)),
    ).filter((each) => each !== undefined);
  });
}

const utf8 = new TextEncoder();

function signsOf(word: string): string {
  let signs = '';
  for (const byte of utf8.encode(word)) signs += BYTE_SIGNS[byte] ?? '';
  return signs;
}

function byteName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}
