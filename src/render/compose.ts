import { dockerfile } from './dockerfile.ts';
import type { ContainerProcess } from './parts/container.ts';
import { CONTAINER_PORT, containerProcess, gatewayPlan, modelMounts } from './parts/container.ts';
import { deviceIds, visibleDevices } from './parts/devices.ts';
import { noImage } from './parts/refusals.ts';
import { stopSeconds } from './parts/stop-times.ts';
import { yamlText } from './parts/yaml.ts';
import type { Deployment, RenderedFile } from './types.ts';
import { defineTarget } from './types.ts';

const FILE = 'compose.yaml';

/** Docker Compose: the engine, or the gateway with the engine in it, as one service. */
export const compose = defineTarget({
  id: 'compose',
  title: 'Docker Compose',
  refuses: noImage,
  render: (deployment) => {
    const { shape } = deployment;
    const files: RenderedFile[] = [
      { path: FILE, text: yamlText(deployment, [project(deployment)]), reader: 'compose' },
    ];
    if (shape === 'gateway') files.push(dockerfile(deployment), gatewayPlan(deployment).file);
    return files;
  },
  start: ({ shape }) => [
    `docker compose up --detach --wait${shape === 'gateway' ? ' --build' : ''}`,
  ],
});

function project(deployment: Deployment): object {
  const { name } = deployment;
  const container = containerProcess(deployment);
  return {
    name: `mmdeploy-${name}`,
    services: {
      [name]: {
        ...(literal(service(deployment, container)) as object),
        ...deviceAccess(deployment),
      },
    },
    ...(container.caches.length === 0 ? {} : { volumes: { cache: {} } }),
  };
}

/** `$` begins a variable of Compose in every string; ours are none. */
function literal(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('$', '$$$$');
  if (Array.isArray(value)) return value.map(literal);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, literal(each)]));
}

function service(deployment: Deployment, container: ContainerProcess): object {
  const { shape, listen, memory, startSeconds, engine } = deployment;
  return {
    image: container.image,
    ...(shape === 'gateway' ? { build: { context: '.' } } : {}),
    entrypoint: container.entrypoint,
    command: container.args,
    environment: {
      ...container.environment,
      ...visibleDevices(deployment),
      // Taken from the shell that starts it, where it is set: for repositories behind a licence.
      ...(engine === 'vllm' ? { HF_TOKEN: null } : {}),
    },
    ports: [
      {
        target: CONTAINER_PORT,
        published: String(listen.port),
        host_ip: listen.host,
        protocol: 'tcp',
      },
    ],
    volumes: volumes(deployment, container),
    read_only: true,
    tmpfs: ['/tmp'],
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
    mem_limit: String(memory.limitBytes),
    // vLLM's processes share tensors through it; the gateway keeps prompts and media in it.
    ...(memory.sharedBytes > 0 ? { shm_size: String(memory.sharedBytes) } : {}),
    healthcheck: {
      test: ['CMD', ...container.health],
      interval: '10s',
      timeout: '5s',
      retries: 6,
      start_period: `${startSeconds}s`,
    },
    restart: 'unless-stopped',
    stop_grace_period: `${stopSeconds(deployment)}s`,
  };
}

function volumes(deployment: Deployment, { caches }: ContainerProcess): readonly object[] {
  const bind = ({ source, target }: { source: string; target: string }) => ({
    type: 'bind',
    source,
    target,
    read_only: true,
    // A folder that is missing is a mistake, not one to be made.
    bind: { create_host_path: false },
  });
  const plan = gatewayPlan(deployment);
  return [
    ...modelMounts(deployment).map(bind),
    ...(deployment.shape === 'gateway'
      ? [bind({ source: `./${plan.file.path}`, target: plan.target })]
      : []),
    ...caches.map((target) => ({ type: 'volume', source: 'cache', target })),
  ];
}

/** How the container gets at the cards that the plan uses, and at no other. */
function deviceAccess(deployment: Deployment): object {
  const { accelerator, cdi } = deployment;
  if (accelerator === 'nvidia') {
    const ids = deviceIds(deployment);
    const device = cdi
      ? { driver: 'cdi', device_ids: ids.map((id) => `nvidia.com/gpu=${id}`) }
      : { driver: 'nvidia', device_ids: ids };
    const devices = [{ ...device, capabilities: ['gpu'] }];
    return { deploy: { resources: { reservations: { devices } } } };
  }
  if (accelerator === 'amd') {
    return { devices: ['/dev/kfd:/dev/kfd', '/dev/dri:/dev/dri'], group_add: groups(deployment) };
  }
  if (accelerator === 'intel') {
    return { devices: ['/dev/dri:/dev/dri'], group_add: groups(deployment) };
  }
  return {};
}

/** Numbers, because the images know no such groups; asked for at the start where nobody has looked. */
function groups({ groups: known }: Deployment): readonly string[] {
  if (known !== null) return [String(known.video), String(known.render)];
  return ['video', 'render'].map((group) => {
    const variable = `${group.toUpperCase()}_GID`;
    const command = `export ${variable}=$(getent group ${group} | cut -d: -f3)`;
    return `\${${variable}:?first: ${command}}`;
  });
}
