import { MmdeployError } from '../../errors.ts';
import { MergeQueue } from './merge-queue.ts';
import type { SpecialToken, SpmVocabulary } from './vocabulary.ts';

export type TokeniseOptions = {
  /** Put the model's own begin and end tokens around the text. */
  readonly addSpecial: boolean;
  /** Take the text of control tokens for the tokens: in prompts, not in what a user means literally. */
  readonly parseSpecial: boolean;
};

/** `▁`, which stands for a space in the vocabulary. */
const SPACE = '\u2581';
/** What C's `isspace` strips after a token of Phi-3. */
const LEADING_SPACE = /^[ \t\n\v\f\r]+/;

type Fragment = string | SpecialToken;

/**
 * Token ids of `text` as llama.cpp's SPM tokenizer gives them (`llama_vocab::impl::tokenize`, b11118).
 * Throws `gguf.invalid` where the vocabulary lacks the token of a byte: llama.cpp fails there too.
 */
export function tokenise(text: string, vocab: SpmVocabulary, options: TokeniseOptions): number[] {
  const ids: number[] = [];
  if (options.addSpecial && vocab.addBos && vocab.bos !== null) ids.push(vocab.bos.id);
  let afterSpecial = true;
  for (const fragment of fragments(text, vocab, options.parseSpecial)) {
    if (typeof fragment !== 'string') {
      ids.push(fragment.id);
      afterSpecial = true;
      continue;
    }
    const prefix = vocab.addSpacePrefix && afterSpecial ? SPACE : '';
    for (const id of mergedPieces(prefix + fragment.replaceAll(' ', SPACE), vocab)) ids.push(id);
    afterSpecial = false;
  }
  if (options.addSpecial && vocab.addEos && vocab.eos !== null) ids.push(vocab.eos.id);
  return ids;
}

/** Number of tokens of `text`; throws as `tokenise` does. */
export function countTokens(text: string, vocab: SpmVocabulary, options: TokeniseOptions): number {
  return tokenise(text, vocab, options).length;
}

/** Cuts the text at special tokens: each of them, the longest first, takes what is left of the text. */
function fragments(text: string, vocab: SpmVocabulary, parseSpecial: boolean): Fragment[] {
  let parts: Fragment[] = text === '' ? [] : [text];
  for (const token of vocab.special) {
    if (token.onlyParsed && !parseSpecial) continue;
    if (!text.includes(token.text)) continue;
    parts = parts.flatMap((part) => (typeof part === 'string' ? splitAt(part, token) : [part]));
  }
  return parts;
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

/**
 * Starts from single characters and joins neighbours, the pair of the highest score first, until no two
 * neighbours make a token. What is no token then is written byte by byte.
 */
function mergedPieces(text: string, vocab: SpmVocabulary): number[] {
  const pieces: (string | null)[] = Array.from(text);
  const next = pieces.map((_, index) => (index + 1 < pieces.length ? index + 1 : -1));
  const previous = pieces.map((_, index) => index - 1);
  const queue = new MergeQueue();
  const propose = (left: number, right: number) => {
    const joined = (pieces[left] ?? '') + (pieces[right] ?? '');
    const id = vocab.ids.get(joined);
    if (id === undefined) return;
    queue.push({ score: vocab.scores[id] ?? 0, left, right, length: joined.length });
  };
  for (let index = 1; index < pieces.length; index++) propose(index - 1, index);

  for (let merge = queue.pop(); merge !== undefined; merge = queue.pop()) {
    const { left, right, length } = merge;
    const [head, tail] = [pieces[left], pieces[right]];
    // One of them was joined to something else since this pair was proposed.
    if (typeof head !== 'string' || typeof tail !== 'string') continue;
    if (head.length + tail.length !== length) continue;
    pieces[left] = head + tail;
    pieces[right] = null;
    const after = next[right] ?? -1;
    const before = previous[left] ?? -1;
    next[left] = after;
    if (after >= 0) previous[after] = left;
    if (before >= 0) propose(before, left);
    if (after >= 0) propose(left, after);
  }
  return pieces.flatMap((piece) => (piece === null ? [] : idsOf(piece, vocab)));
}

const utf8 = new TextEncoder();

function idsOf(piece: string, vocab: SpmVocabulary): number[] {
  const id = vocab.ids.get(piece);
  return id === undefined ? Array.from(utf8.encode(piece), (byte) => byteId(byte, vocab)) : [id];
}

function byteId(byte: number, vocab: SpmVocabulary): number {
  const name = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
  const id =
    vocab.ids.get(name) ?? (byte < 0x80 ? vocab.ids.get(String.fromCharCode(byte)) : undefined);
  if (id !== undefined) return id;
  throw new MmdeployError('gguf.invalid', `The vocabulary has no token ${name} for that byte`, {
    hints: [
      'the engine cannot read this text either: convert the model anew, then `mmdeploy plan FILE`',
    ],
  });
}
