import { MmdeployError } from '../../errors.ts';
import { joinPieces } from './merge.ts';
import { Seams } from './seams.ts';
import type { TakeTokens } from './split-tokeniser.ts';
import { OF_THE_FILE, splitTokeniser } from './split-tokeniser.ts';
import type { TokenizerKeys } from './token-lists.ts';
import { edgeToken, numberList, tokenLists, tokenizerFlag } from './token-lists.ts';
import type { Tokeniser } from './vocabulary.ts';
import { WordCache } from './word-cache.ts';

/** `▁`, which stands for a space in the vocabulary. */
const SPACE = '\u2581';

/** UTF-16 units: a shorter text is merged before its seams are found. */
const WORTH_CUTTING = 256;

type Pieces = { readonly ids: ReadonlyMap<string, number>; readonly scores: readonly number[] };

/** A SentencePiece vocabulary with scores (`tokenizer.ggml.model` = `llama`), as llama.cpp applies it. */
export function spmVocabulary(metadata: TokenizerKeys): Tokeniser {
  const lists = tokenLists(metadata);
  const { tokens } = lists;
  const pieces: Pieces = {
    ids: new Map(tokens.map((text, id) => [text, id])),
    scores: numberList(metadata, 'scores', tokens.length) ?? tokens.map(() => 0),
  };
  // A space goes before a text that starts the input or follows a special token.
  const prefix = tokenizerFlag(metadata, 'add_space_prefix', true) ? SPACE : '';
  const words = new WordCache();
  let seams: Seams | null = null;
  const tokeniseText = (text: string, afterSpecial: boolean, take: TakeTokens) => {
    const spelt = (afterSpecial ? prefix : '') + text.replaceAll(' ', SPACE);
    const takeWord = (part: string) => take(words.get(part, (word) => mergedTokens(word, pieces)));
    if (spelt.length < WORTH_CUTTING) {
      takeWord(spelt);
      return;
    }
    seams ??= seamsOf(tokens);
    seams.cut(spelt, takeWord);
  };
  return {
    ...OF_THE_FILE,
    bos: edgeToken(metadata, 'bos', tokens, 1),
    eos: edgeToken(metadata, 'eos', tokens, 2),
    addBos: tokenizerFlag(metadata, 'add_bos_token', true),
    addEos: tokenizerFlag(metadata, 'add_eos_token', false),
    ...splitTokeniser(lists, tokeniseText),
  };
}

function seamsOf(tokens: readonly string[]): Seams {
  const seams = new Seams();
  for (const token of tokens) seams.joinAll(token);
  return seams;
}

/** What no merge makes a token is written byte by byte. */
function mergedTokens(text: string, { ids, scores }: Pieces): number[] {
  const scoreOf = (left: string, right: string) => {
    const id = ids.get(left + right);
    return id === undefined ? undefined : (scores[id] ?? 0);
  };
  return joinPieces(Array.from(text), scoreOf).flatMap((piece) => {
    const id = ids.get(piece);
    return id === undefined ? Array.from(utf8.encode(piece), (byte) => byteToken(byte, ids)) : [id];
  });
}

const utf8 = new TextEncoder();

function byteToken(byte: number, ids: Pieces['ids']): number {
  const name = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
  const id = ids.get(name) ?? (byte < 0x80 ? ids.get(String.fromCharCode(byte)) : undefined);
  if (id !== undefined) return id;
  throw new MmdeployError('gguf.invalid', `The vocabulary has no token ${name} for that byte`, {
    hints: [
      'the engine cannot read this text either: convert the model anew, then `mmdeploy plan FILE`',
    ],
  });
}
