import type { Deployment } from '../types.ts';
import type { ContainerProcess } from './container.ts';
import { CACHE_DIR, CONTAINER_PORT, gatewayPlan, modelFolders } from './container.ts';
import { gpuResource, quantity, resources } from './pod-resources.ts';
import { PRE_STOP_SECONDS } from './stop-times.ts';

/** The user that vLLM's image for CUDA brings with it: any other has no entry that PyTorch could look up. */
const VLLM_USER = 2000;
const ANY_USER = 1000;
/** The gateway keeps 2 GiB of prepared media (`--cache-bytes`), and writes each beside the one it replaces. */
const GATEWAY_CACHE = '4Gi';

/** In commands, arguments and environments `$(NAME)` stands for a variable and `$$` for `$`: ours are none. */
export function literal(text: string): string {
  return text.replace(/\$(?=[$(])/g, '$$$$');
}

/** What has to be there before the pods are, a line each. */
export function podNotes(deployment: Deployment): readonly string[] {
  const resource = gpuResource(deployment);
  const asRoot = deployment.accelerator === 'amd' || deployment.accelerator === 'intel';
  return [
    ...(resource === null ? [] : [`The nodes need the device plugin that offers \`${resource}\`.`]),
    ...(asRoot
      ? ['The cards belong to root on the nodes, so the pod runs as root without its capabilities.']
      : []),
    'A model behind a licence needs a token, any other none:',
    '  kubectl create secret generic hf-token --from-literal=HF_TOKEN=TOKEN',
  ];
}

/** The user of the pod, and the volumes' group. */
export function podSecurity(deployment: Deployment): object {
  const { accelerator, engine } = deployment;
  const seccompProfile = { type: 'RuntimeDefault' };
  // A volume with a model is large: its files are looked at once.
  const fsGroupChangePolicy = 'OnRootMismatch';
  // Nodes own these devices as root and a group whose number differs from node to node.
  if (accelerator === 'amd' || accelerator === 'intel') {
    return { runAsUser: 0, fsGroup: ANY_USER, fsGroupChangePolicy, seccompProfile };
  }
  const user = engine === 'vllm' ? VLLM_USER : ANY_USER;
  return {
    runAsNonRoot: true,
    runAsUser: user,
    fsGroup: user,
    fsGroupChangePolicy,
    seccompProfile,
  };
}

export const CONTAINER_SECURITY = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
} as const;

/**
 * The user of vLLM's container in a pod whose other settings are not ours. Given by number: the kubelet takes
 * no named one, as that of its image for CUDA, where `runAsNonRoot` is set.
 */
export function vllmUser({ accelerator }: Deployment): {
  runAsNonRoot: boolean;
  runAsUser: number;
} {
  const root = accelerator === 'amd';
  return { runAsNonRoot: !root, runAsUser: root ? 0 : VLLM_USER };
}

/** What every pod of ours says of itself: no account, no variables of other services. */
export const POD_DEFAULTS = { automountServiceAccountToken: false, enableServiceLinks: false };

const PERIOD_SECONDS = 10;

type Probe = {
  readonly httpGet: { readonly path: string; readonly port: string };
  readonly timeoutSeconds: number;
  readonly periodSeconds: number;
  readonly failureThreshold: number;
};
export type Probes = Readonly<Record<'startupProbe' | 'readinessProbe' | 'livenessProbe', Probe>>;

/**
 * The start has as long as the plan says. A busy engine still answers while it encodes, but its threads may
 * all be taken by requests that wait: it counts as not ready after a minute, as dead after ten.
 */
export function probes({ shape, startSeconds }: Deployment): Probes {
  const ask = (path: string) => ({ httpGet: { path, port: 'http' }, timeoutSeconds: 5 });
  const ready = ask(shape === 'gateway' ? '/ready' : '/health');
  return {
    startupProbe: {
      ...ready,
      periodSeconds: PERIOD_SECONDS,
      failureThreshold: Math.ceil(startSeconds / PERIOD_SECONDS),
    },
    readinessProbe: { ...ready, periodSeconds: PERIOD_SECONDS, failureThreshold: 6 },
    livenessProbe: { ...ask('/health'), periodSeconds: 30, failureThreshold: 20 },
  };
}

/** Of a secret that need not be there: files and repositories that ask for consent need it. */
export const HUB_TOKEN = {
  name: 'HF_TOKEN',
  valueFrom: { secretKeyRef: { name: 'hf-token', key: 'HF_TOKEN', optional: true } },
};

/** One of several pods that are one engine: its arguments beside the engine's own, and who answers requests. */
export type InGroup = {
  /** As Kubernetes reads them: `$(NAME)` is a variable. */
  readonly args: readonly string[];
  readonly answers: boolean;
};
const ALONE: InGroup = { args: [], answers: true };

/** The container of the engine, or of the gateway with the engine in it. */
export function engineContainer(
  deployment: Deployment,
  container: ContainerProcess,
  { args, answers }: InGroup = ALONE,
): object {
  const environment = Object.entries(container.environment);
  const env = [
    ...environment.map(([name, value]) => ({ name, value: literal(value) })),
    ...(deployment.engine === 'vllm' ? [HUB_TOKEN] : []),
  ];
  return {
    name: deployment.shape === 'gateway' ? 'mmdeploy' : 'engine',
    image: container.image,
    command: container.entrypoint.map(literal),
    args: [...container.args.map(literal), ...args],
    ...(env.length === 0 ? {} : { env }),
    resources: resources(deployment),
    ...(answers ? answering(deployment) : {}),
    securityContext: CONTAINER_SECURITY,
    volumeMounts: volumeMounts(deployment),
  };
}

function answering(deployment: Deployment): object {
  return {
    ports: [{ name: 'http', containerPort: CONTAINER_PORT }],
    ...probes(deployment),
    // So that no new request arrives while it ends: endpoints are told of it at the same time.
    lifecycle: { preStop: { exec: { command: ['sleep', String(PRE_STOP_SECONDS)] } } },
  };
}

function volumeMounts(deployment: Deployment): readonly object[] {
  const { shape, engine } = deployment;
  const caches = shape === 'gateway' || engine === 'vllm';
  return [
    ...modelFolders(deployment).map(({ target }) => ({
      name: 'models',
      mountPath: target,
      readOnly: true,
    })),
    ...(caches ? [{ name: 'cache', mountPath: CACHE_DIR }, SHARED_MOUNT] : []),
    ...(shape === 'gateway' ? [planMount(deployment)] : []),
    { name: 'tmp', mountPath: '/tmp' },
  ];
}

const SHARED_MOUNT = { name: 'shared-memory', mountPath: '/dev/shm' };

function planMount(deployment: Deployment): object {
  const { target } = gatewayPlan(deployment);
  return { name: 'plan', mountPath: target.replace(/\/[^/]+$/, ''), readOnly: true };
}

/** The volumes that `volumeMounts` names; `claim` is that of the model's files, or of vLLM's downloads. */
export function volumes(
  { shape, engine, name, memory }: Deployment,
  claim: string,
): readonly object[] {
  const claimed = { persistentVolumeClaim: { claimName: claim } };
  const sharedMemory = {
    name: 'shared-memory',
    emptyDir: { medium: 'Memory', sizeLimit: quantity(memory.sharedBytes) },
  };
  const tmp = { name: 'tmp', emptyDir: {} };
  if (engine === 'vllm') {
    return [{ name: 'cache', ...claimed }, sharedMemory, tmp];
  }
  const models = { name: 'models', ...claimed };
  if (shape === 'engine') return [models, tmp];
  return [
    models,
    { name: 'cache', emptyDir: { sizeLimit: GATEWAY_CACHE } },
    sharedMemory,
    { name: 'plan', configMap: { name: `${name}-plan` } },
    tmp,
  ];
}
