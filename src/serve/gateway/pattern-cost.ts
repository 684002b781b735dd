/** A part of a pattern: whether it can match nothing, and how many ways of doing so are tried at once. */
type Part = { readonly empty: boolean; readonly ways: number };

/** An open group: the alternatives before, the parts of the current one. */
type Group = { alternatives: Part[]; parts: Part[] };

const ONE: Part = { empty: false, ways: 1 };
const QUANTIFIER = /^(?:[?*+]|\{(\d*)(?:,(\d*))?\})/;

/**
 * How many ways through a regular expression llama-server's grammar has to keep open at its start:
 * the product of the repetitions of groups that may be empty. `((a{0,10}){0,10}){0,10}` has 100, the
 * same with `{1,10}` has one: repeating a character or class is one rule, and repeating without an end
 * (`*`, `+`) is a loop.
 */
export function waysThrough(pattern: string): number {
  const open: Group[] = [];
  let group: Group = { alternatives: [], parts: [] };
  for (let at = 0; at < pattern.length;) {
    const char = pattern[at];
    if (char === '(') {
      open.push(group);
      group = { alternatives: [], parts: [] };
      at += 1;
      continue;
    }
    if (char === '|') {
      group.alternatives.push(sequence(group.parts));
      group.parts = [];
      at += 1;
      continue;
    }
    const closed = char === ')' ? choice(group) : ONE;
    if (char === ')') group = open.pop() ?? { alternatives: [], parts: [] };
    at += atomLength(pattern, at);
    const quantifier = QUANTIFIER.exec(pattern.slice(at, at + 40));
    if (char !== '^' && char !== '$') group.parts.push(repeated(closed, quantifier));
    at += quantifier?.[0].length ?? 0;
  }
  return choice(open.reduceRight((inner, outer) => joined(outer, inner), group)).ways;
}

/** A group that is never closed counts as one that is. */
function joined(outer: Group, inner: Group): Group {
  return { ...outer, parts: [...outer.parts, choice(inner)] };
}

function repeated(part: Part, quantifier: RegExpExecArray | null): Part {
  if (quantifier === null) return part;
  const [text, first, last] = quantifier;
  const least = text === '+' ? 1 : Number(first ?? '0');
  if (least > 0 && !part.empty) return part;
  const most = part === ONE || !text.startsWith('{') ? 1 : Number(last ?? first ?? '1');
  return { empty: true, ways: Math.max(1, most) * part.ways };
}

function sequence(parts: readonly Part[]): Part {
  return {
    empty: parts.every(({ empty }) => empty),
    ways: parts.reduce((most, { ways }) => Math.max(most, ways), 1),
  };
}

function choice({ alternatives, parts }: Group): Part {
  const all = [...alternatives, sequence(parts)];
  return {
    empty: all.some(({ empty }) => empty),
    ways: all.reduce((most, { ways }) => Math.max(most, ways), 1),
  };
}

/** Characters of one atom: an escape, a class, or a single one. */
function atomLength(pattern: string, at: number): number {
  if (pattern[at] === '\\') return 2;
  if (pattern[at] !== '[') return 1;
  let end = at + 1;
  while (end < pattern.length && pattern[end] !== ']') end += pattern[end] === '\\' ? 2 : 1;
  return end + 1 - at;
}
