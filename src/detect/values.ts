import { MIB, parseSize } from '../units.ts';

// What NVIDIA's, AMD's and Intel's tools write where they have no value.
const NO_VALUE =
  /^\[?\s*(?:n\/a|none|null|unknown|unknown error|err!|error|not (?:supported|available|found|active)|no permission|insufficient permissions|gpu is lost|gpu requires reset|.*\bdeprecated\b.*)\s*\]?$/i;

/** The text of a reported value; null where the tool says in its own way that it has none. */
export function reported(value: unknown): string | null {
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  if (typeof value !== 'string') return null;
  const text = value.trim();
  return text === '' || NO_VALUE.test(text) ? null : text;
}

/** `81559 MiB`, or a bare number that the tool means in MiB, to bytes; null when it is no size. */
export function mebibytes(value: unknown): number | null {
  const text = reported(value);
  if (text === null) return null;
  if (/^\d+(?:\.\d+)?$/.test(text)) return Math.round(Number(text) * MIB);
  // AMD's tools print MB and mean MiB: a 192 GiB MI300X has "196592 MB".
  return parseSize(text.replace(/\bMB$/i, 'MiB'));
}

/** A non-negative whole number of bytes; null when it is none. */
export function byteCount(value: unknown): number | null {
  const text = reported(value);
  if (text === null || !/^\d+$/.test(text)) return null;
  const bytes = Number(text);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** `00000000:01:00.0`, `0000:A3:00.0` and `a3:00.0` in one spelling: `0000:a3:00.0`. */
export function pciAddress(value: unknown): string | null {
  const match = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/i.exec(
    reported(value) ?? '',
  );
  if (match === null) return null;
  const domain = (match[1] ?? '0').toLowerCase().replace(/^0+/, '').padStart(4, '0');
  return `${domain}:${match[2] ?? ''}:${match[3] ?? ''}.${match[4] ?? ''}`.toLowerCase();
}

/** `a.b.c` of nested objects as tools print them; undefined where a step is missing. */
export function at(tree: unknown, ...path: readonly string[]): unknown {
  let value = tree;
  for (const name of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** A tool's "one is an object, several are an array, none is a word" as an array of objects. */
export function objects(value: unknown): object[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((entry): entry is object => typeof entry === 'object' && entry !== null);
}

/**
 * JSON that may stand behind warnings of the interpreter that prints it (amd-smi and rocm-smi are
 * Python). Null when there is none.
 */
export function looseJson(text: string): unknown {
  for (const match of text.matchAll(/^[[{]/gm)) {
    try {
      return JSON.parse(text.slice(match.index)) as unknown;
    } catch {
      // Not the start of the document: a warning may begin with a bracket too.
    }
  }
  return null;
}
