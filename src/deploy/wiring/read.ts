import { parse, parseAllDocuments } from 'yaml';
import type { Reader } from '../../render/types.ts';
import { shellWords } from './shell-words.ts';
import { unitEntries, unitValues, unitWords } from './unit-file.ts';

/** What a file makes of a process, read out of the file and not out of what rendered it. */
export type Wired = {
  /** The program's arguments, without the program. */
  readonly args: readonly string[];
  /** Folders and files of a container that come from outside; null where there is no container. */
  readonly mounts: readonly string[] | null;
  /** Variables that are set for it. */
  readonly environment: Readonly<Record<string, string>>;
  /** What it is given of the machine's devices, each as the format writes it. */
  readonly devices: readonly string[];
  /** Port that clients, the health check and the probes are sent to; null where the format names none. */
  readonly ports: readonly number[];
  /** Where it listens is another's to say: no argument of its own does. */
  readonly listensElsewhere?: true;
};

type Json = Readonly<Record<string, unknown>>;

/** The processes of a file; null for a kind of file that starts none, or is read elsewhere. */
export function wiredIn(reader: Reader, text: string): readonly Wired[] | null {
  switch (reader) {
    case 'compose':
      return Object.values(record(record(parse(text))['services'])).map((each) =>
        composeService(record(each)),
      );
    case 'kubernetes':
      return parseAllDocuments(text).flatMap((document) => podsOf(record(document.toJS())));
    case 'quadlet':
      return [quadlet(text)];
    case 'systemd':
      return [systemdUnit(text)];
    case 'sh':
      return execOf(text);
    case 'llama-swap':
      return Object.values(record(record(parse(text))['models'])).map(swapped);
    default:
      return null;
  }
}

/** To the end of the line that neither a quote nor a backslash carries on. */
const EXEC = /^exec "\$program"((?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\n'"\\])*)/ms;

/** What a start script ends in: `exec "$program" … "$@"`. */
function execOf(text: string): readonly Wired[] {
  const command = EXEC.exec(text)?.[1];
  if (command === undefined) return [];
  const words = shellWords(command);
  return [
    {
      args: words.filter((word) => word !== '$@'),
      mounts: null,
      environment: {},
      devices: [],
      ports: [],
    },
  ];
}

function swapped(model: unknown): Wired {
  const [, ...args] = shellWords(String(record(model)['cmd']));
  return { args, mounts: null, environment: {}, devices: [], ports: [] };
}

function composeService(service: Json): Wired {
  const plain = (value: unknown) => String(value).replaceAll('$$', '$');
  const reserved = record(record(record(service['deploy'])['resources'])['reservations']);
  const cards = list(reserved['devices']).flatMap((device) => list(record(device)['device_ids']));
  const nodes = list(service['devices']).map((device) => String(device).split(':')[0] ?? '');
  return {
    args: list(service['command']).map(plain),
    mounts: [
      ...list(service['volumes']).map((volume) => plain(record(volume)['target'])),
      ...list(service['tmpfs']).map(plain),
    ],
    environment: mapped(record(service['environment']), plain),
    devices: [
      ...cards.map((card) => `card ${plain(card).replace(/^nvidia\.com\/gpu=/, '')}`),
      ...nodes,
    ],
    ports: list(service['ports']).map((port) => Number(record(port)['target'])),
  };
}

/** Each pod template in a resource: of a Deployment, a Job, a LeaderWorkerSet. */
function podsOf(resource: Json): readonly Wired[] {
  const spec = record(resource['spec']);
  if (resource['kind'] === 'LLMInferenceService') return inferencePods(spec);
  const group = record(spec['leaderWorkerTemplate']);
  const templates = [spec['template'], group['leaderTemplate'], group['workerTemplate']];
  return templates.flatMap((template) => {
    const [container] = list(record(record(template)['spec'])['containers']);
    return container === undefined ? [] : [podContainer(record(container))];
  });
}

/** KServe starts vLLM itself, with what a variable holds as a shell reads it. */
function inferencePods(spec: Json): readonly Wired[] {
  const [container] = list(record(spec['template'])['containers']);
  if (container === undefined) return [];
  const pod = podContainer(record(container));
  const flags = shellWords(pod.environment['VLLM_ADDITIONAL_ARGS'] ?? '');
  const args = ['serve', String(record(spec['model'])['name']), ...flags];
  return [{ ...pod, args, mounts: null, ports: [], listensElsewhere: true }];
}

function podContainer(container: Json): Wired {
  const plain = (value: unknown) => String(value).replaceAll('$$', '$');
  const limits = record(record(container['resources'])['limits']);
  return {
    args: [...list(container['command']).slice(1), ...list(container['args'])].map(plain),
    mounts: list(container['volumeMounts']).map((mount) => plain(record(mount)['mountPath'])),
    environment: Object.fromEntries(
      list(container['env'])
        .map(record)
        .map(({ name, value }) => [String(name), value === undefined ? '' : plain(value)]),
    ),
    devices: Object.entries(limits)
      .filter(([name]) => name.includes('/'))
      .map(([name, count]) => `${name} ${String(count)}`),
    ports: list(container['ports']).map((port) => Number(record(port)['containerPort'])),
  };
}

function quadlet(text: string): Wired {
  const entries = unitEntries(text);
  const of = (key: string) => unitValues(entries, 'Container', key);
  return {
    args: of('Exec').flatMap(unitWords),
    mounts: [...of('Volume').map(mountedAt), ...of('Tmpfs')],
    environment: variables(of('Environment')),
    devices: of('AddDevice').map((device) =>
      device.startsWith('nvidia.com/gpu=')
        ? `card ${device.replace('nvidia.com/gpu=', '')}`
        : (device.split(':')[0] ?? ''),
    ),
    ports: of('PublishPort').map((port) => Number(port.split(':').pop())),
  };
}

/** Where a container sees a volume. */
function mountedAt(volume: string): string {
  return (volume.split(':')[1] ?? '').replaceAll('%%', '%').replaceAll('$$', '$');
}

function systemdUnit(text: string): Wired {
  const entries = unitEntries(text);
  const [line = ''] = unitValues(entries, 'Service', 'ExecStart');
  const allowed = unitValues(entries, 'Service', 'DeviceAllow').map(
    (each) => each.split(' ')[0] ?? '',
  );
  return {
    args: unitWords(line).slice(1),
    mounts: null,
    environment: variables(unitValues(entries, 'Service', 'Environment')),
    devices: allowed,
    ports: [],
  };
}

function mapped(values: Json, plain: (value: unknown) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, plain(value)]));
}

/** `NAME=value`, several to a line. */
function variables(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.flatMap(unitWords).map((each) => {
      const at = each.indexOf('=');
      return [each.slice(0, at), each.slice(at + 1)];
    }),
  );
}

function record(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
