/** A key of a systemd unit or a quadlet, as often as it is set. */
export type UnitEntry = {
  readonly section: string;
  readonly key: string;
  readonly value: string;
};

/** The settings of a unit file in their order (systemd.syntax(7)): a line that ends in `\` goes on below. */
export function unitEntries(text: string): readonly UnitEntry[] {
  const joined = text.replace(/\\\n/g, ' ');
  const entries: UnitEntry[] = [];
  let section = '';
  for (const line of joined.split('\n')) {
    const heading = /^\[(.+)\]\s*$/.exec(line)?.[1];
    if (heading !== undefined) section = heading;
    const setting = /^\s*([A-Za-z][\w-]*)\s*=\s*(.*?)\s*$/.exec(line);
    if (setting !== null) entries.push({ section, key: setting[1] ?? '', value: setting[2] ?? '' });
  }
  return entries;
}

/** All values of a key in one section. */
export function unitValues(
  entries: readonly UnitEntry[],
  section: string,
  key: string,
): readonly string[] {
  return entries
    .filter((entry) => entry.section === section && entry.key === key)
    .map(({ value }) => value);
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', s: ' ' };

/**
 * The words of a command line as systemd splits it (systemd.service(5), "Command lines"): quotes, escapes,
 * and `%%` and `$$` for what would otherwise be expanded.
 */
export function unitWords(line: string): readonly string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote: string | null = null;
  for (let at = 0; at < line.length; at++) {
    const char = line[at] ?? '';
    if (char === '\\') {
      at += 1;
      const next = line[at] ?? '';
      const hex = /^x[0-9a-f]{2}/.exec(line.slice(at, at + 3))?.[0];
      word = (word ?? '') + (hex === undefined ? (ESCAPES[next] ?? next) : byHex(hex.slice(1)));
      if (hex !== undefined) at += 2;
    } else if (quote !== null) {
      if (char === quote) quote = null;
      else word = (word ?? '') + char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (word !== null) words.push(word);
  return words.map((each) => each.replaceAll('%%', '%').replaceAll('$$', '$'));
}

function byHex(digits: string): string {
  return String.fromCharCode(Number.parseInt(digits, 16));
}
