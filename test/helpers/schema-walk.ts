/** As much of JSON Schema as our schemas, Kubernetes' OpenAPI description and custom resources use. */
export type SchemaNode = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | SchemaNode;
  readonly items?: SchemaNode;
  readonly prefixItems?: readonly SchemaNode[];
};

/** Follows a node's reference, if it has one. */
export type Resolve = (node: SchemaNode) => SchemaNode;

/** References into `root` itself, as `#/$defs/name` and `#/definitions/name`. */
export function resolverOf(root: unknown): Resolve {
  const resolve: Resolve = (node) => {
    if (node.$ref === undefined) return node;
    let at = root;
    for (const key of node.$ref.replace(/^#\//, '').split('/')) {
      at = (at as Record<string, unknown>)[key];
    }
    if (at === undefined) throw new Error(`${node.$ref} leads nowhere`);
    return resolve(at as SchemaNode);
  };
  return resolve;
}

type Side = { readonly node: SchemaNode; readonly resolve: Resolve };

/**
 * Where `ours` allows what `full` does not know, or leaves out what `full` requires: fields, kinds of
 * values, words of a list. Empty when every document that `ours` takes is one of `full`, as far as these go.
 */
export function beyond(ours: Side, full: Side, path = ''): string[] {
  const mine = ours.resolve(ours.node);
  const theirs = full.resolve(full.node);
  if (mine.anyOf !== undefined) {
    return mine.anyOf.flatMap((node) => beyond({ ...ours, node }, full, path));
  }
  const found = [...kinds(mine, theirs, path), ...words(mine, theirs, path)];
  for (const name of theirs.required ?? []) {
    if (mine.properties !== undefined && !(mine.required ?? []).includes(name)) {
      found.push(`${path}: ${name} may be left out`);
    }
  }
  const inner = (name: string, node: SchemaNode, other: SchemaNode | undefined) => {
    const at = path === '' ? name : `${path}.${name}`;
    if (other === undefined) found.push(`${at}: no such field`);
    else found.push(...beyond({ ...ours, node }, { ...full, node: other }, at));
  };
  const rest =
    typeof theirs.additionalProperties === 'object' ? theirs.additionalProperties : undefined;
  for (const [name, node] of Object.entries(mine.properties ?? {})) {
    inner(name, node, theirs.properties?.[name] ?? rest);
  }
  if (typeof mine.additionalProperties === 'object') inner('*', mine.additionalProperties, rest);
  for (const node of [mine.items, ...(mine.prefixItems ?? [])]) {
    if (node !== undefined) inner('[]', node, theirs.items);
  }
  return found;
}

function kinds(mine: SchemaNode, theirs: SchemaNode, path: string): string[] {
  if (theirs.type === undefined) return [];
  const allowed: string[] = [theirs.type].flat();
  if (allowed.includes('number')) allowed.push('integer');
  if (theirs.format === 'int-or-string') allowed.push('integer', 'string');
  const valueKind = (value: unknown) => (typeof value === 'number' ? 'integer' : typeof value);
  const used: string[] =
    mine.type === undefined
      ? [...(mine.enum ?? []), ...('const' in mine ? [mine.const] : [])].map(valueKind)
      : [mine.type].flat();
  const wrong = used.filter((kind) => !allowed.includes(kind));
  return wrong.map((kind) => `${path}: ${kind}, not ${allowed.join(' or ')}`);
}

function words(mine: SchemaNode, theirs: SchemaNode, path: string): string[] {
  if (theirs.enum === undefined) return [];
  const used = mine.enum ?? ('const' in mine ? [mine.const] : ['any word']);
  const unknown = used.filter((word) => !theirs.enum?.includes(word));
  return unknown.map((word) => `${path}: ${String(word)} is no word of ${theirs.enum?.join(', ')}`);
}

/** Fields that take a number or a word; a filled-in object shows only one of them. */
const NUMBER_OR_WORD = /^(port|targetPort|maxSurge|maxUnavailable|minAvailable)$/;

/**
 * The schema of a filled-in object, which has every field of its kind with a value like `nameValue`: a map
 * has one key, named after it (`labelsKey`). It tells fields and kinds of values, not what is required.
 */
export function ofFilledIn(value: unknown, name = ''): SchemaNode {
  if (Array.isArray(value)) return { type: 'array', items: ofFilledIn(value[0], name) };
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(
      ([key, each]) => [key, ofFilledIn(each, key)] as const,
    );
    const [first] = entries;
    const isMap = name !== '' && entries.length === 1 && first?.[0] === `${name}Key`;
    if (isMap) return { type: 'object', additionalProperties: first[1] };
    return { type: 'object', properties: Object.fromEntries(entries) };
  }
  const type = typeof value === 'number' ? 'integer' : typeof value;
  return NUMBER_OR_WORD.test(name) ? { type, format: 'int-or-string' } : { type };
}
