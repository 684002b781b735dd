/** Bytes that are printed as they are: the others get the characters from U+0100 on, in order. */
const PRINTABLE = [
  [0x21, 0x7e],
  [0xa1, 0xac],
  [0xae, 0xff],
] as const;

/** The character that stands for each byte in byte-pair vocabularies (GPT-2's `bytes_to_unicode`). */
export const BYTE_SIGNS: readonly string[] = byteSigns();

function byteSigns(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = PRINTABLE.some(([first, last]) => byte >= first && byte <= last);
    return String.fromCodePoint(printable ? byte : next++);
  });
}
