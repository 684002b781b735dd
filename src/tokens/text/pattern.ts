/**
 * Signs that came with Unicode 16 and 17. llama.cpp's tables (`unicode-data.cpp`) end at 15.1 and call
 * them unassigned, while this JavaScript engine knows their letters, digits and marks.
 */
const LATER_SIGNS = `
  88F 897 C5C CDC 1ACF-1AEB 1B4E-1B4F 1B7F 1C89-1C8A 20C1 2427-2429 2B96 31E4-31E5 A7CB-A7CF A7D2 A7D4
  A7DA-A7F1 FBC3-FBD2 FD90-FD91 FDC8-FDCE 105C0-105F3 10940-10959 10D40-10D8F 10EC2-10EFC 11380-113E2
  116D0-116E3 11B60-11BF9 11DB0-11DE9 11F5A 13460-143FA 16100-16139 16D40-16D79 16EA0-16ED3 16FF2-16FF6
  187F8-187FF 18CFF 18D09-18DF2 1CC00-1CEF0 1E5D0-1E6FF 1F6D8 1F777-1F77A 1F8B2-1F8D8 1FA54-1FA57
  1FA89-1FA8F 1FABE 1FAC6-1FACD 1FADC-1FADF 1FAE9-1FAEF 1FBCB-1FBEF 1FBFA 2B73A-2B73F 2CEA2-2CEAD
  323B0-33479`
  .trim()
  .split(/\s+/)
  .map((range) => range.replace(/[0-9A-F]+/g, (hex) => `\\u{${hex}}`))
  .join('');

/** `unicode_set_whitespace`: with U+0085 and without U+FEFF, unlike `\s` of JavaScript. */
const WHITE_SPACE =
  '\\t-\\r\\x20\\x85\\xA0\\u1680\\u2000-\\u200A\\u2028\\u2029\\u202F\\u205F\\u3000';

const CLASSES: Readonly<Record<string, string>> = {
  '\\s': `[${WHITE_SPACE}]`,
  '\\S': `[^${WHITE_SPACE}]`,
  ...Object.fromEntries(
    ['L', 'N', 'M', 'P', 'S'].map((name) => [`\\p{${name}}`, `[\\p{${name}}--[${LATER_SIGNS}]]`]),
  ),
};

/**
 * A regular expression in which `\s`, `\S` and `\p{L}`, `\p{N}`, `\p{M}`, `\p{P}`, `\p{S}` mean what they
 * mean to llama.cpp, inside of brackets as well. Syntax is that of the `v` flag.
 */
export function engineRegExp(source: string): RegExp {
  const translated = source.replace(/\\[sS]|\\p\{[LNMPS]\}/g, (name) => CLASSES[name] ?? name);
  return new RegExp(translated, 'gv');
}
