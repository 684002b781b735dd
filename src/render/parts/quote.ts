/** A word as a POSIX shell reads it back. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * A word of `ExecStart=` and the like (systemd.service(5), "Command lines"): in double quotes, `%` and `$`
 * doubled because both are expanded, line breaks as escapes because a line ends the setting.
 */
export function unitWord(word: string): string {
  const plain = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  if (/^[\w@%+=:,./{}$-]+$/.test(plain)) return plain;
  const escaped = plain.replace(/[\\"]/g, String.raw`\$&`);
  return `"${escaped.replace(/[\u0000-\u001f\u007f]/g, hexEscape)}"`;
}

function hexEscape(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

/** The rest of a comment's line: a line break in it would begin a line of the file. */
export function commentText(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
}
