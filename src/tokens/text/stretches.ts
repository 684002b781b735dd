import { engineRegExp } from './pattern.ts';

/**
 * After a letter or digit and before white space or a full stop no pattern of any vocabulary has a word
 * go on, nor does what follows change how what came before is cut.
 */
const SAFE_END = engineRegExp('[\\p{L}\\p{N}](?=[\\s。，、！？；：])');
/** UTF-16 units of a stretch; regular expressions of V8 run out of stack some way beyond the longest. */
const USUAL_LENGTH = 1 << 16;
export const MOST_LENGTH = 1 << 18;

/**
 * A text in stretches that can be cut into words one by one. Where nothing in a quarter of a million
 * characters could end a word, the stretch ends all the same: its last token may become two.
 */
export function forEachStretch(text: string, take: (stretch: string) => void): void {
  let start = 0;
  while (text.length - start > MOST_LENGTH) {
    const end = safeEnd(text, start);
    take(text.slice(start, end));
    start = end;
  }
  if (start < text.length) take(text.slice(start));
}

function safeEnd(text: string, start: number): number {
  const window = text.slice(start + USUAL_LENGTH, start + MOST_LENGTH);
  SAFE_END.lastIndex = 0;
  const found = SAFE_END.exec(window);
  const end =
    start + USUAL_LENGTH + (found === null ? window.length : found.index + found[0].length);
  // Never between the halves of one character.
  return (text.codePointAt(end - 1) ?? 0) > 0xffff ? end + 1 : end;
}
