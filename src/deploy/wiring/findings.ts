import { engineArgs } from '../../render/parts/argv.ts';
import { containerFolder } from '../../render/parts/container.ts';
import { deviceIds } from '../../render/parts/devices.ts';
import { gpuResource } from '../../render/parts/pod-resources.ts';
import type { Accelerator, Deployment, Reader } from '../../render/types.ts';
import { presetFindings } from './preset.ts';
import { wiredIn, type Wired } from './read.ts';

/**
 * What no schema sees: an argument that is not the plan's, a file of the model that is not mounted, a card
 * that is not wired, a port that nobody listens on. Read out of the file, so that it finds a renderer's
 * mistakes as well as an operator's. Null for a file of which nothing can be said.
 */
export function wiringFindings(
  reader: Reader,
  text: string,
  deployment: Deployment,
): readonly string[] | null {
  if (reader === 'router') return presetFindings(text, deployment);
  const wired = wiredIn(reader, text);
  if (wired === null) return null;
  const engines = wired.filter(({ args }) => runsModel(args));
  if (engines.length === 0) return null;
  return engines.flatMap((each) => [
    ...argumentFindings(each, deployment),
    ...mountFindings(each, deployment),
    ...(reader === 'kubernetes' ? [] : linkFindings(each, deployment)),
    ...(ON_HOST.includes(reader) ? [] : deviceFindings(reader, each, deployment)),
    ...portFindings(each),
  ]);
}

/** They run as their user, who may open every card anyhow. */
const ON_HOST: readonly Reader[] = ['sh', 'llama-swap'];

function runsModel(args: readonly string[]): boolean {
  return args.includes('--model') || args.includes('serve') || args.includes('--port');
}

/** The engine's arguments are the plan's but for folders, host and port; the gateway names its plan. */
function argumentFindings(
  { args, listensElsewhere }: Wired,
  deployment: Deployment,
): readonly string[] {
  if (deployment.shape === 'gateway') return gatewayFindings(args);
  const nowhere = { folderOf: () => '', host: 'HOST', port: 0 };
  const all = placeless(engineArgs(deployment, nowhere));
  const planned = listensElsewhere ? without(all, LISTEN) : all;
  const found = placeless(deployment.scale.nodes > 1 ? without(args, GROUP) : args);
  if (planned.join('\0') === found.join('\0')) return [];
  const missing = planned.filter((word) => !found.includes(word));
  const more = found.filter((word) => !planned.includes(word));
  const said = [
    ...missing.map((word) => `\`${word}\` of the plan is missing`),
    ...more.map((word) => `\`${word}\` is not of the plan`),
  ];
  return said.length > 0 ? said : ['the arguments of the plan in another order'];
}

/** Flags with how many values follow them. */
const LISTEN: Readonly<Record<string, number>> = { '--host': 1, '--port': 1 };
/** What each machine of a copy is told of the others. */
const GROUP: Readonly<Record<string, number>> = {
  ...{ '--nnodes': 1, '--node-rank': 1, '--master-addr': 1 },
  '--headless': 0,
};

function without(args: readonly string[], flags: typeof GROUP): readonly string[] {
  const values = (at: number) => flags[args[at] ?? ''];
  return args.filter((_, at) => values(at) === undefined && values(at - 1) !== 1);
}

const GATEWAY_FLAGS = [
  ...['--plan', '--llama-server', '--host', '--port', '--cache-dir'],
  ...['--log', '--api-key-file', '--slot-cache', '--drain'],
];

function gatewayFindings(args: readonly string[]): readonly string[] {
  const flags = args.filter((word) => word.startsWith('--'));
  return [
    ...['--plan', '--host', '--port']
      .filter((flag) => valueOf(args, flag) === null)
      .map((flag) => `the gateway is given no \`${flag}\``),
    ...flags
      .filter((flag) => !GATEWAY_FLAGS.includes(flag))
      .map((flag) => `\`${flag}\` is not ours`),
  ];
}

/** Arguments without what a place decides. */
function placeless(args: readonly string[]): readonly string[] {
  return args.map((word, index) => {
    const flag = args[index - 1];
    if (flag === '--host' || flag === '--port') return flag.toUpperCase();
    return flag === '--model' || flag === '--mmproj' ? (word.split('/').pop() ?? '') : word;
  });
}

/** Containers are read-only: what is read or written there has to come from outside. */
function mountFindings(
  { args, mounts, environment }: Wired,
  deployment: Deployment,
): readonly string[] {
  if (mounts === null) return [];
  const flags = ['--model', '--mmproj', '--plan', '--cache-dir'];
  const paths = [
    ...flags.map((flag) => [flag, valueOf(args, flag) ?? ''] as const),
    ...Object.entries(environment),
    // The gateway reads their places in its plan.
    ...deployment.files.map((file) => [file.name, inContainer(file, deployment)] as const),
  ];
  return paths
    .filter(([, path]) => path.startsWith('/'))
    .filter(([, path]) => !mounts.some((mount) => path === mount || path.startsWith(`${mount}/`)))
    .map(([name, path]) => `\`${name}\` is ${path}: nothing is mounted there`);
}

/** In a folder of links, those of the host lead nowhere inside: each file is mounted by itself. */
function linkFindings({ mounts }: Wired, deployment: Deployment): readonly string[] {
  if (mounts === null) return [];
  return deployment.links
    .filter((link) => !mounts.includes(inContainer(link, deployment)))
    .map(({ name, real }) => `\`${name}\` is a link to ${real}: that is not mounted in its place`);
}

function inContainer(
  file: { readonly folder: string; readonly name: string },
  deployment: Deployment,
): string {
  return `${containerFolder(deployment)(file)}/${file.name}`;
}

function deviceFindings(
  reader: Reader,
  { devices }: Wired,
  deployment: Deployment,
): readonly string[] {
  const wanted = wantedDevices(reader, deployment);
  const missing = wanted.filter((device) => !devices.includes(device));
  const known = isWiring(reader);
  const more = devices.filter((device) => known(device) && !wanted.includes(device));
  return [
    ...missing.map((device) => `the plan uses ${device}, and it is not wired`),
    ...more.map((device) => `${device} is wired, and the plan does not use it`),
  ];
}

/** Devices that are no surprise beside those of the plan are left alone. */
function isWiring(reader: Reader): (device: string) => boolean {
  return reader === 'systemd'
    ? (device) => device.startsWith('char-nvidia') || device === '/dev/kfd'
    : () => true;
}

const NODES: Readonly<Record<Accelerator, readonly string[]>> = {
  nvidia: [],
  amd: ['/dev/kfd', '/dev/dri'],
  intel: ['/dev/dri'],
  apple: [],
  cpu: [],
};

function wantedDevices(reader: Reader, deployment: Deployment): readonly string[] {
  const { accelerator, gpus, scale } = deployment;
  if (reader === 'systemd') return SYSTEMD_DEVICES[accelerator];
  if (reader === 'kubernetes') {
    const resource = gpuResource(deployment);
    return resource === null ? [] : [`${resource} ${Math.max(gpus.length, scale.tensor)}`];
  }
  if (accelerator !== 'nvidia') return NODES[accelerator];
  return deviceIds(deployment).map((id) => `card ${id}`);
}

const SYSTEMD_DEVICES: Readonly<Record<Accelerator, readonly string[]>> = {
  nvidia: ['char-nvidia*'],
  amd: ['/dev/kfd', 'char-drm'],
  intel: ['char-drm'],
  apple: [],
  cpu: [],
};

function portFindings({ args, ports }: Wired): readonly string[] {
  const listens = Number(valueOf(args, '--port'));
  return ports
    .filter((port) => port !== listens)
    .map((port) => `clients are sent to port ${port}, and it listens on ${listens}`);
}

function valueOf(args: readonly string[], flag: string): string | null {
  const at = args.lastIndexOf(flag);
  return at === -1 ? null : (args[at + 1] ?? null);
}
