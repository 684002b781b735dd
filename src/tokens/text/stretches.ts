import { engineRegExp } from './pattern.ts';

/**
 * Between a letter or digit and white space or a full stop, and between letters and digits, no pattern of
 * any vocabulary has a word go on, nor does what follows change how what came before is cut.
 */
const SAFE_END = engineRegExp(
  '[\\p{L}\\p{N}](?=[\\s。，、！？；：])|\\p{L}(?=\\p{N})|\\p{N}(?=\\p{L})',
);
/** UTF-16 units; regular expressions of V8 run out of stack some way beyond. */
export const MOST_LENGTH = 1 << 18;

/**
 * A text in stretches of up to `most` UTF-16 units that can be cut into words one by one. Where nothing in
 * so many characters could end a word, the stretch ends all the same: its last token may become two.
 */
export function forEachStretch(
  text: string,
  take: (stretch: string) => void,
  most = MOST_LENGTH,
): void {
  let start = 0;
  while (text.length - start > most) {
    const end = safeEnd(text, start + most / 2, start + most);
    take(text.slice(start, end));
    start = end;
  }
  if (start < text.length) take(text.slice(start));
}

/** The first safe end after `from`, or else `to`, never between the halves of one character. */
function safeEnd(text: string, from: number, to: number): number {
  SAFE_END.lastIndex = 0;
  const found = SAFE_END.exec(text.slice(from, to));
  const end = found === null ? to : from + found.index + found[0].length;
  return (text.codePointAt(end - 1) ?? 0) > 0xffff ? end + 1 : end;
}
