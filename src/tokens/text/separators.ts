import type { SpecialToken } from './special-tokens.ts';
import { specialTokens } from './special-tokens.ts';
import type { TokenLists } from './token-lists.ts';

/** Of the texts of a batch one may hold the first separator; that all are in it is rare. */
const MOST = 4;
/** Some models strip white space before these (`llama_vocab::impl::load`). */
const STRIPS_LEFT: ReadonlySet<string> = new Set(['<mask>', '[MASK]']);
const EDGE_SPACE = /^\s|\s$/;

/**
 * Special tokens that part texts so that the engine tokenises each as if it were alone: it cuts special
 * tokens out of its input first, the longest first, and then tokenises what lies between them piece by
 * piece. None of these can begin or end inside a text beside it, or be taken for part of a longer one.
 */
export function separatorsOf(lists: TokenLists): readonly SpecialToken[] {
  const all = specialTokens(lists);
  const found: SpecialToken[] = [];
  for (const token of all) {
    if (found.length === MOST) break;
    const { text, onlyParsed, stripsRight } = token;
    if (!onlyParsed || stripsRight || STRIPS_LEFT.has(text)) continue;
    // U+FFFD stands for bytes that are no UTF-8: they could not be written as they are.
    if (EDGE_SPACE.test(text) || text.includes('\uFFFD') || runsInto(text, text)) continue;
    const clashes = (other: SpecialToken) =>
      other.id !== token.id &&
      bytesOf(other.text) >= bytesOf(text) &&
      (other.text.includes(text) || runsInto(other.text, text) || runsInto(text, other.text));
    if (!all.some(clashes)) found.push(token);
  }
  return found;
}

/** Whether the end of `one` is the beginning of `other`. */
function runsInto(one: string, other: string): boolean {
  for (let length = Math.min(one.length, other.length) - 1; length > 0; length--) {
    if (other.startsWith(one.slice(-length))) return true;
  }
  return false;
}

const utf8 = new TextEncoder();

function bytesOf(text: string): number {
  return utf8.encode(text).length;
}
