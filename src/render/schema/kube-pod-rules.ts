import type { z } from 'zod';
import type { podOverlay } from './kube-pod.ts';
import { isSecret } from './values.ts';

/** A pod as any workload has it; the image may be somebody else's to fill in. */
export type Pod = z.infer<typeof podOverlay>;
type Container = Pod['containers'][number];
type Probe = NonNullable<Container['startupProbe']>;

/**
 * What the API server refuses of a pod although every field is known and of its kind: names that lead
 * nowhere or twice to the same, a choice that is not made, requests above limits. A line each.
 */
export function podFindings(pod: Pod): string[] {
  const volumes = pod.volumes ?? [];
  const containers = [...(pod.initContainers ?? []), ...pod.containers];
  const mounted = containers.flatMap(({ volumeMounts = [] }) =>
    volumeMounts.map(({ name }) => name),
  );
  return [
    ...twice('container', containers),
    ...twice('volume', volumes),
    ...volumes.flatMap(({ name, ...sources }) => oneOf(`volume \`${name}\``, sources)),
    ...volumes
      .filter(({ name }) => !mounted.includes(name))
      .map(({ name }) => `volume \`${name}\` is mounted nowhere`),
    ...containers.flatMap((container) =>
      containerFindings(
        container,
        volumes.map(({ name }) => name),
      ).map((line) => `container \`${container.name}\`: ${line}`),
    ),
  ];
}

function containerFindings(container: Container, volumes: readonly string[]): string[] {
  const { volumeMounts = [], env = [], ports = [] } = container;
  const paths = volumeMounts.map(({ mountPath }) => ({ name: mountPath }));
  const named = ports.flatMap(({ name }) => (name === undefined ? [] : [{ name }]));
  return [
    ...volumeMounts
      .filter(({ name }) => !volumes.includes(name))
      .map(({ name }) => `it mounts \`${name}\`, which is no volume of the pod`),
    ...twice('mount', paths),
    ...twice('variable', env),
    ...twice('port', named),
    ...env.flatMap(({ name, ...value }) => [
      ...oneOf(`variable \`${name}\``, value),
      ...(value.valueFrom === undefined ? [] : oneOf(`variable \`${name}\``, value.valueFrom)),
    ]),
    ...env
      .filter(({ name, value = '' }) => value !== '' && isSecret(name))
      .map(({ name }) => `the secret \`${name}\` stands in the file`),
    ...probeFindings(container),
    ...resourceFindings(container),
  ];
}

function probeFindings(container: Container): string[] {
  const probes = {
    startupProbe: container.startupProbe,
    readinessProbe: container.readinessProbe,
    livenessProbe: container.livenessProbe,
  };
  return Object.entries(probes).flatMap(([name, probe]) => {
    if (probe === undefined) return [];
    const { httpGet, exec, tcpSocket, successThreshold = 1 } = probe;
    const once = name === 'readinessProbe' || successThreshold === 1;
    return [
      ...oneOf(name, { httpGet, exec, tcpSocket }),
      ...(once ? [] : [`${name}: its successThreshold has to be 1`]),
      ...portOf(probe, container).map((line) => `${name}: ${line}`),
    ];
  });
}

/** A number need not be declared, a name has to be. */
function portOf({ httpGet, tcpSocket }: Probe, { ports = [] }: Container): string[] {
  const port = httpGet?.port ?? tcpSocket?.port;
  if (typeof port !== 'string' || ports.some(({ name }) => name === port)) return [];
  return [`no port of the container is called \`${port}\``];
}

function resourceFindings({ resources = {} }: Container): string[] {
  const { limits = {}, requests = {} } = resources;
  return Object.entries(requests).flatMap(([name, request]) => {
    const limit = limits[name];
    // Device plugins give whole devices: what is asked for is what may be had.
    if (name.includes('/') && limit !== request) {
      return [`it requests ${name} ${request} and is limited to ${limit ?? 'none'}`];
    }
    if (limit === undefined || amount(request) <= amount(limit)) return [];
    return [`it requests ${name} ${request}, above its limit ${limit}`];
  });
}

const UNITS: Readonly<Record<string, number>> = { m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** A quantity as a number: `500m` is 0.5, `1Ki` is 1024. */
function amount(quantity: string): number {
  const [, digits = '', unit = ''] = /^([\d.]+)(.*)$/.exec(quantity) ?? [];
  const powers = 'KMGTPE';
  if (unit.endsWith('i')) return Number(digits) * 1024 ** (powers.indexOf(unit[0] ?? '') + 1);
  return Number(digits) * (UNITS[unit] ?? (unit === '' ? 1 : 1000 ** (powers.indexOf(unit) + 1)));
}

/** Names that are there more than once. */
function twice(kind: string, named: readonly { readonly name: string }[]): string[] {
  const names = named.map(({ name }) => name);
  const again = names.filter((name, index) => names.indexOf(name) !== index);
  return [...new Set(again)].map((name) => `${kind} \`${name}\` is there twice`);
}

/** Of these fields exactly one has to be set. */
function oneOf(what: string, fields: Readonly<Record<string, unknown>>): string[] {
  const set = Object.keys(fields).filter((key) => fields[key] !== undefined);
  return set.length === 1
    ? []
    : [`${what}: ${set.length === 0 ? 'nothing' : set.join(' and ')} is set`];
}
