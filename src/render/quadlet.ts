import { MIB } from '../units.ts';
import { dockerfile } from './dockerfile.ts';
import type { ContainerProcess } from './parts/container.ts';
import { CONTAINER_PORT, containerProcess, gatewayPlan, modelMounts } from './parts/container.ts';
import { deviceIds, visibleDevices } from './parts/devices.ts';
import { shellWord, unitWord } from './parts/quote.ts';
import { noColon, noImage, noSystemd } from './parts/refusals.ts';
import { RESTART_SECONDS, unitHead } from './parts/unit-head.ts';
import { stopSeconds } from './parts/stop-times.ts';
import type { Section, Setting } from './parts/unit.ts';
import { unitPath, unitText } from './parts/unit.ts';
import type { Deployment, RenderedFile } from './types.ts';
import { defineTarget } from './types.ts';

/** Where podman's generator finds what a user without privileges wants. */
const UNITS = '~/.config/containers/systemd';

/** A container of podman's as a service of systemd's, without a daemon and without root. */
export const quadlet = defineTarget({
  id: 'quadlet',
  title: 'Podman quadlet, for podman 5.0 and newer',
  refuses: (deployment) => noSystemd(deployment) ?? noImage(deployment) ?? noColon(deployment),
  render: (deployment) => {
    const container = containerProcess(deployment);
    const sections = [
      unitHead(deployment),
      containerSection(deployment, container),
      service(deployment),
      { name: 'Install', settings: [['WantedBy', 'default.target'] as const] },
    ];
    const text = unitText(deployment, sections, [podmanNeeded(deployment)]);
    const files: RenderedFile[] = [{ path: unitFile(deployment), text, reader: 'quadlet' }];
    if (deployment.shape === 'gateway') {
      files.push(dockerfile(deployment), gatewayPlan(deployment).file);
    }
    return files;
  },
  start: (deployment) => {
    const { name, shape } = deployment;
    const { file } = gatewayPlan(deployment);
    const image = imageOf(deployment);
    return [
      ...(shape === 'gateway'
        ? [
            `podman build --tag ${image} .`,
            `install -D -m 644 ${file.path} ${UNITS}/${planFile(deployment)}`,
          ]
        : // Some gigabytes, which a start would have no time for.
          [`podman pull ${shellWord(image)}`]),
      `install -D -m 644 ${unitFile(deployment)} ${UNITS}/${unitFile(deployment)}`,
      `systemctl --user daemon-reload && systemctl --user start ${name}`,
      // Else it ends when its user logs out, and does not start with the machine.
      'loginctl enable-linger',
    ];
  },
});

/** By the release notes of podman: an older one makes no service of a file with a key that it does not know. */
function podmanNeeded({ accelerator }: Deployment): string {
  const groups = accelerator === 'amd' || accelerator === 'intel';
  return groups
    ? 'Podman 5.1 or newer: before it there is no GroupAdd=, and no service is made of this file.'
    : 'Podman 5.0 or newer: before it there is no Entrypoint= and no StopTimeout=, and no service is made of this file.';
}

function unitFile({ name }: Deployment): string {
  return `${name}.container`;
}

/** Beside the unit, where more than one deployment may have one. */
function planFile({ name }: Deployment): string {
  return `${name}.plan.json`;
}

/** Podman asks nobody for an image that is this machine's own. */
function imageOf(deployment: Deployment): string {
  const { image } = containerProcess(deployment);
  return deployment.shape === 'gateway' ? `localhost/${image}` : dockerHub(image);
}

/** Names without a registry are Docker's: podman wants it written out. */
function dockerHub(image: string): string {
  return /^[^/]+[.:][^/]*\//.test(image) ? image : `docker.io/${image}`;
}

function containerSection(deployment: Deployment, container: ContainerProcess): Section {
  const { name, memory, startSeconds } = deployment;
  const environment = { ...container.environment, ...visibleDevices(deployment) };
  return {
    name: 'Container',
    settings: [
      `For root: /etc/containers/systemd, and systemctl without --user.`,
      ['ContainerName', name],
      ['Image', imageOf(deployment)],
      ['Entrypoint', container.entrypoint.map(unitWord).join(' ')],
      ['Exec', container.args.map(unitWord).join(' ')],
      ...Object.entries(environment).map(([key, value]): Setting => [
        'Environment',
        `${key}=${value}`,
      ]),
      ...secrets(deployment),
      ['PublishPort', published(deployment)],
      ...volumes(deployment, container),
      ...devices(deployment),
      ['ReadOnly', 'true'],
      ['DropCapability', 'all'],
      ['NoNewPrivileges', 'true'],
      // vLLM's processes share tensors through it; the gateway keeps prompts and media in it.
      ...(memory.sharedBytes > 0 ? ([['ShmSize', `${memory.sharedBytes}b`]] as const) : []),
      ['HealthCmd', unexpanded(JSON.stringify(container.health))],
      ['HealthInterval', '10s'],
      ['HealthTimeout', '5s'],
      ['HealthRetries', 6],
      ['HealthStartPeriod', `${startSeconds}s`],
      'Started is what is healthy.',
      ['Notify', 'healthy'],
      ['StopTimeout', stopSeconds(deployment)],
    ],
  };
}

/** They are podman's to keep: this file is open to everyone. */
function secrets({ name, shape, engine }: Deployment): readonly Setting[] {
  const secret = (id: string, target: string) =>
    `\`podman secret create ${id} FILE\`, and Secret=${id},type=env,target=${target}.`;
  if (shape === 'gateway') return [];
  if (engine === 'llama.cpp')
    return [`A key of clients: ${secret(`${name}-key`, 'LLAMA_API_KEY')}`];
  return [
    `A key of clients: ${secret(`${name}-key`, 'VLLM_API_KEY')}`,
    `Repositories behind a licence: ${secret('hf-token', 'HF_TOKEN')}`,
  ];
}

/** The line becomes words of systemd's, which would expand them. */
function unexpanded(text: string): string {
  return unitPath(text).replaceAll('$', '$$$$');
}

function published({ listen }: Deployment): string {
  const address = listen.host === 'localhost' ? '127.0.0.1' : listen.host;
  const host = address.includes(':') ? `[${address}]` : address;
  return `${host}:${listen.port}:${CONTAINER_PORT}`;
}

/** Labelled for SELinux as shared: with `Z` a second deployment of the folder would lock out the first. */
function volumes(deployment: Deployment, { caches }: ContainerProcess): readonly Setting[] {
  const plan = { source: `./${planFile(deployment)}`, target: gatewayPlan(deployment).target };
  const mounts = [...modelMounts(deployment), ...(deployment.shape === 'gateway' ? [plan] : [])];
  return [
    ...mounts.map(({ source, target }): Setting => [
      'Volume',
      `${unexpanded(source)}:${unexpanded(target)}:ro,z`,
    ]),
    ...caches.map((target): Setting => ['Volume', `${deployment.name}-cache:${target}`]),
  ];
}

function devices(deployment: Deployment): readonly Setting[] {
  const { accelerator } = deployment;
  if (accelerator === 'cpu') return [];
  const selinux =
    'Where SELinux keeps containers from devices: `sudo setsebool -P container_use_devices on`.';
  if (accelerator === 'nvidia') {
    const cards = deviceIds(deployment).map((id): Setting => ['AddDevice', `nvidia.com/gpu=${id}`]);
    return ['`nvidia-ctk cdi list` lists the cards by these names.', selinux, ...cards];
  }
  return [
    selinux,
    ...(accelerator === 'amd' ? ([['AddDevice', '/dev/kfd']] as const) : []),
    ['AddDevice', '/dev/dri'],
    "The user's own: it has to be in video and render (crun).",
    ['GroupAdd', 'keep-groups'],
  ];
}

/** After podman's own time, systemd's: it would kill podman as well. */
const PODMAN_SECONDS = 15;

function service(deployment: Deployment): Section {
  const { memory, startSeconds } = deployment;
  return {
    name: 'Service',
    settings: [
      ['Restart', 'on-failure'],
      ['RestartSec', RESTART_SECONDS],
      ['TimeoutStartSec', startSeconds],
      ['TimeoutStopSec', stopSeconds(deployment) + PODMAN_SECONDS],
      'The container runs in the group of the service.',
      ['MemoryMax', `${memory.limitBytes / MIB}M`],
    ],
  };
}
