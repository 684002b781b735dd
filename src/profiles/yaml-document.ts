import { LineCounter, isMap, isNode, isScalar, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { z } from 'zod';
import { MmdeployError, nearest } from '../errors.ts';

const SHOWN_ISSUES = 6;

/**
 * The value of a YAML file checked against `schema`. Throws `profile.invalid` with file:line:column,
 * what is wrong there and what would be right; every further problem is listed in the details.
 */
export function parseYamlFile<Schema extends z.ZodType>(
  text: string,
  file: string,
  schema: Schema,
): z.output<Schema> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [fault] = document.errors;
  if (fault) throw invalid(`${place(file, lines, fault.pos[0])}: ${fault.message}`, []);
  const result = schema.safeParse(valueOf(document, file));
  if (result.success) return result.data;

  const known = knownKeys(schema);
  // A key that is misspelt says more than that the right one is missing.
  const issues = [...result.error.issues].sort((a, b) => misspelt(b) - misspelt(a));
  const problems = issues.flatMap((issue) =>
    explain(issue, known).map(
      ({ path, text: what }) => `${place(file, lines, offsetOf(document, path))}: ${what}`,
    ),
  );
  const [first = `${file}: does not fit its schema`, ...others] = problems;
  throw invalid(first, shorten(others));
}

function invalid(message: string, details: readonly string[]): MmdeployError {
  return new MmdeployError('profile.invalid', message, {
    details,
    hints: [
      'let your editor check it: first line `# yaml-language-server: $schema=…/profiles/schema/family.json`',
      'see a complete one with `mmdeploy models llava-1.5-7b -o yaml`',
    ],
  });
}

function shorten(problems: readonly string[]): string[] {
  const rest = problems.length - SHOWN_ISSUES;
  return rest > 0 ? [...problems.slice(0, SHOWN_ISSUES), `and ${rest} more`] : [...problems];
}

/** Alias bombs are stopped by the parser; their message names no line. */
function valueOf(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 200 });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw invalid(`${file}: ${message}`, []);
  }
}

function place(file: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${file}:${Math.max(1, line)}:${Math.max(1, col)}`;
}

function misspelt(issue: z.core.$ZodIssue): number {
  return issue.code === 'unrecognized_keys' ? 1 : 0;
}

type Path = readonly PropertyKey[];
type Explanation = { readonly path: Path; readonly text: string };

function explain(issue: z.core.$ZodIssue, known: readonly string[]): Explanation[] {
  if (issue.code !== 'unrecognized_keys') {
    const missing = /^Invalid input: expected (\w+), received undefined$/.exec(issue.message);
    const what = missing
      ? `missing, it takes ${/^[aeiou]/.test(missing[1] ?? '') ? 'an' : 'a'} ${missing[1] ?? 'value'}`
      : issue.message;
    return [{ path: issue.path, text: `${dotted(issue.path)}: ${what}` }];
  }
  return issue.keys.map((key) => {
    const [near] = nearest(key, known, 1);
    const hint = near === undefined ? '' : `, did you mean \`${near}\`?`;
    const path = [...issue.path, key];
    return { path, text: `${dotted(path)}: unknown key${hint}` };
  });
}

function dotted(path: Path): string {
  const text = path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('');
  return text === '' ? 'the file' : text.replace(/^\./, '');
}

/** Where `path` stands in the text: its key if it has one, else its value, else what holds it. */
function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length > 0; length--) {
    const parent: unknown = document.getIn(path.slice(0, length - 1), true);
    const last = path[length - 1];
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => isScalar(key) && key.value === last);
      if (isNode(pair?.key) && pair.key.range) return pair.key.range[0];
    }
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return isNode(document.contents) && document.contents.range ? document.contents.range[0] : 0;
}

/** Every key the schema knows anywhere, for "did you mean". */
function knownKeys(schema: z.ZodType): string[] {
  const keys = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, inner] of Object.entries(value) as [string, unknown][]) {
      if (name === 'properties' && typeof inner === 'object' && inner !== null) {
        for (const key of Object.keys(inner)) keys.add(key);
      }
      visit(inner);
    }
  };
  visit(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
  return [...keys];
}
