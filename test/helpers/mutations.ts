import { parseAllDocuments, stringify } from 'yaml';
import type { Reader } from '../../src/render/types.ts';

export const MUTATION_KINDS = ['typo', 'type', 'mount', 'device'] as const;
type MutationKind = (typeof MUTATION_KINDS)[number];
export type Mutation = {
  readonly kind: MutationKind;
  readonly what: string;
  readonly text: string;
};

/** Every single fault of four kinds that can be put into a file, in an order that depends on it alone. */
export function mutationsOf(reader: Reader, text: string): readonly Mutation[] {
  if (YAML_READERS.includes(reader)) return yamlMutations(text);
  if (reader === 'systemd' || reader === 'quadlet' || reader === 'router')
    return unitMutations(text);
  return reader === 'sh' ? scriptMutations(text) : [];
}

const YAML_READERS: readonly Reader[] = ['compose', 'kubernetes', 'llama-swap', 'prometheus'];

type Path = readonly (string | number)[];
type Tree = Record<string | number, unknown>;

/** Maps whose keys are their writer's own: a typo in them is another name, not a fault. */
const FREE = new Set([
  ...['environment', 'labels', 'annotations', 'matchLabels', 'selector', 'data', 'nodeSelector'],
  ...['services', 'models', 'matchExpressions', 'metadata', 'volumes', 'summary', 'description'],
]);

function yamlMutations(text: string): readonly Mutation[] {
  const documents = parseAllDocuments(text).map((each) => each.toJS() as Tree);
  const paths = documents.flatMap((document, index) => pathsOf(document, [index]));
  const mutated = (path: Path, change: (parent: Tree, key: string | number) => void): string => {
    const copy = structuredClone(documents) as unknown as Tree;
    change(
      path.slice(0, -1).reduce((node, key) => node[key] as Tree, copy),
      path.at(-1) ?? 0,
    );
    return (copy as unknown as Tree[]).map((each) => stringify(each, YAML_11)).join('---\n');
  };
  return paths.flatMap((path) => {
    const what = path.slice(1).join('.');
    const key = path.at(-1);
    const parent = path.at(-2);
    const value = path.reduce<unknown>((node, each) => (node as Tree)[each], documents);
    const found: Mutation[] = [];
    if (typeof key === 'string' && !FREE.has(String(parent)) && path.length > 2) {
      const typo = mutated(path, (node, name) => {
        node[misspelt(String(name))] = node[name];
        // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a copy of ours
        delete node[name];
      });
      found.push({ kind: 'typo', what: `${what} as ${misspelt(key)}`, text: typo });
    }
    if (!isCommand(path)) {
      const type = mutated(path, (node, name) => {
        node[name] = ofAnotherType(value);
      });
      found.push({
        kind: 'type',
        what: `${what} as ${JSON.stringify(ofAnotherType(value))}`,
        text: type,
      });
    }
    if (isModelMount(path, value)) {
      const gone = mutated(path, (list, index) => {
        (list as unknown as unknown[]).splice(Number(index), 1);
      });
      found.push({ kind: 'mount', what: `${what} gone`, text: gone });
    }
    const other = otherDevice(path, value);
    if (other !== null) {
      const device = mutated(path, (node, name) => {
        node[name] = other;
      });
      found.push({ kind: 'device', what: `${what} as ${JSON.stringify(other)}`, text: device });
    }
    return found;
  });
}

const YAML_11 = { schema: 'yaml-1.1', lineWidth: 0, aliasDuplicateObjects: false } as const;

function pathsOf(node: unknown, at: Path): Path[] {
  if (typeof node !== 'object' || node === null) return [];
  const keys = Array.isArray(node) ? node.keys() : Object.keys(node);
  return [...keys].flatMap((key) => {
    const path = [...at, key];
    return [path, ...pathsOf((node as Tree)[key], path)];
  });
}

function misspelt(word: string): string {
  const at = word.split('').findIndex((letter, index) => letter !== word[index + 1] && index > 0);
  const [a = '', b = ''] = [word[at], word[at + 1]];
  return b === '' ? `${word}s` : `${word.slice(0, at)}${b}${a}${word.slice(at + 2)}`;
}

function ofAnotherType(value: unknown): unknown {
  if (typeof value === 'number') return 'many';
  if (typeof value === 'boolean') return 'perhaps';
  if (Array.isArray(value)) return 'no list';
  return typeof value === 'object' ? 'no map' : { no: 'text' };
}

/** Words of a command are free text; what they say is the wiring's business. */
function isCommand(path: Path): boolean {
  return path.includes('data') || path.includes('labels') || path.includes('annotations');
}

function isModelMount(path: Path, value: unknown): boolean {
  if (
    !['volumes', 'volumeMounts'].includes(String(path.at(-2))) ||
    path.includes('initContainers')
  ) {
    return false;
  }
  const { target, mountPath } = (typeof value === 'object' ? value : {}) as Record<string, unknown>;
  return ['/models', '/etc/mmdeploy/plan.json', '/var/cache/mmdeploy'].includes(
    String(target ?? mountPath),
  );
}

function otherDevice(path: Path, value: unknown): unknown {
  const [list, key] = [String(path.at(-2)), String(path.at(-1))];
  if (list === 'device_ids') return String(value).replace(/\d+$/, (id) => String(Number(id) + 3));
  if (list === 'devices' && typeof value === 'string') return '/dev/null:/dev/null';
  return list === 'limits' && key.includes('/') ? String(Number(value) + 1) : null;
}

/** Settings of units and presets: a line each. */
function unitMutations(text: string): readonly Mutation[] {
  const lines = text.split('\n');
  const replaced = (at: number, line: string | null): string =>
    lines
      .flatMap((each, index) => (index === at ? (line === null ? [] : [line]) : [each]))
      .join('\n');
  return lines.flatMap((line, at) => {
    const setting = /^([A-Za-z][\w-]*)(\s*=\s*)(.*)$/.exec(line);
    if (setting === null) return [];
    const [, key = '', equals = '', value = ''] = setting;
    const found: Mutation[] = [];
    const typo = `${misspelt(key)}${equals}${value}`;
    found.push({ kind: 'typo', what: typo, text: replaced(at, typo) });
    if (/^(\d+|yes|no|true|false|on-failure|exec|notify)$/.test(value)) {
      const type = `${key}${equals}perhaps`;
      found.push({ kind: 'type', what: type, text: replaced(at, type) });
    }
    if (key === 'Volume' && /:\/models(:|$)/.test(value)) {
      found.push({ kind: 'mount', what: `${line} gone`, text: replaced(at, null) });
    }
    const device = /^(AddDevice|DeviceAllow)$/.test(key) && /nvidia|kfd/.test(value);
    if (device) {
      const other = `${key}${equals}${value.replace(/nvidia\.com\/gpu=\d+|char-nvidia\S*|\/dev\/kfd/, '/dev/null')}`;
      found.push({ kind: 'device', what: other, text: replaced(at, other) });
    }
    return found;
  });
}

function scriptMutations(text: string): readonly Mutation[] {
  return [...text.matchAll(/^ {2}(--[a-z-]+)/gm)].map(({ 1: flag = '', index }) => {
    const at = index + 2;
    const other = `--${misspelt(flag.slice(2))}`;
    const mutant = `${text.slice(0, at)}${other}${text.slice(at + flag.length)}`;
    return { kind: 'typo', what: `${flag} as ${other}`, text: mutant };
  });
}
