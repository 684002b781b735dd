/** Elements by name; a repeated one is an array, a leaf its trimmed text, attributes stand under `$`. */
export type XmlTree = { readonly [name: string]: unknown };

const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  apos: "'",
};
const TOKEN =
  /<!--[\s\S]*?-->|<[!?][^>]*>|<\/([\w.:-]+)\s*>|<([\w.:-]+)((?:\s[^<>]*?)?)(\/?)>|[^<]+/g;

type Open = { readonly name: string; readonly tree: Record<string, unknown>; text: string };

/**
 * Reads the XML that nvidia-smi writes, in the shape that node-nvidia-smi hands over (xml2js with
 * `explicitArray: false, trim: true`), so one parser serves both. Text before the root element is
 * skipped: drivers print warnings there. Null when `root` is absent or not closed.
 */
export function parseXml(text: string, root: string): XmlTree | null {
  const start = text.search(new RegExp(`<${root}[\\s>]`));
  if (start < 0) return null;
  const top: Open = { name: '', tree: Object.create(null) as Record<string, unknown>, text: '' };
  const stack: Open[] = [top];
  for (const [token, closing, opening, attributes, empty] of text.slice(start).matchAll(TOKEN)) {
    const current = stack.at(-1);
    if (current === undefined) return null;
    if (opening !== undefined) {
      const tree = attributesOf(attributes ?? '');
      if (empty === '/') add(current.tree, opening, leaf({ name: opening, tree, text: '' }));
      else stack.push({ name: opening, tree, text: '' });
    } else if (closing !== undefined) {
      if (current.name !== closing) return null;
      stack.pop();
      add(stack.at(-1)?.tree ?? top.tree, closing, leaf(current));
      if (stack.length === 1) return top.tree;
    } else if (!token.startsWith('<')) current.text += token;
  }
  return null;
}

function leaf(element: Open): unknown {
  const text = element.text
    .replace(/&(lt|gt|amp|quot|apos);/g, (_, name: string) => ENTITIES[name] ?? '')
    .trim();
  if (Object.keys(element.tree).length === 0) return text;
  return text === '' ? element.tree : { ...element.tree, _: text };
}

function add(parent: Record<string, unknown>, name: string, value: unknown): void {
  const before = parent[name];
  if (before === undefined) parent[name] = value;
  else if (Array.isArray(before)) before.push(value);
  else parent[name] = [before, value];
}

function attributesOf(text: string): Record<string, unknown> {
  const tree = Object.create(null) as Record<string, unknown>;
  const pairs = [...text.matchAll(/([\w.:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)];
  if (pairs.length > 0) {
    tree['$'] = Object.fromEntries(
      pairs.map(([, name, double, single]) => [name ?? '', double ?? single ?? '']),
    );
  }
  return tree;
}
