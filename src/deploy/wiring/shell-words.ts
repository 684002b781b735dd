/** The words of a simple command as a POSIX shell splits it; variables stay as they are written. */
export function shellWords(line: string): readonly string[] {
  const words: string[] = [];
  const word = /\\\n|(?:'[^']*'|"(?:\\.|[^"\\])*"|\\[^\n]|[^\s'"\\])+/gs;
  for (const [text] of line.matchAll(word)) if (text !== '\\\n') words.push(unquoted(text));
  return words;
}

function unquoted(text: string): string {
  return text.replace(
    /'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/gs,
    (_, single?: string, double?: string, escaped?: string) =>
      single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? escaped ?? '',
  );
}
