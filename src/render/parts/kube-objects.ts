import { GIB, sum } from '../../units.ts';
import type { Deployment } from '../types.ts';
import { CONTAINER_PORT } from './container.ts';
import { wantedFiles } from './fetch.ts';
import { weightBytes } from './weights.ts';

/** Where scrapers and the autoscaler's Prometheus live; the namespace that the operator's charts use. */
export const MONITORING_NAMESPACE = 'monitoring';

/** What finds the pods of a deployment, and nothing that may change from plan to plan. */
export function selector({ name }: Deployment): Record<string, string> {
  return { 'app.kubernetes.io/name': name };
}

export function labels(deployment: Deployment): Record<string, string> {
  return {
    ...selector(deployment),
    'app.kubernetes.io/component': deployment.shape === 'gateway' ? 'gateway' : 'engine',
    'app.kubernetes.io/managed-by': 'mmdeploy',
  };
}

/** On a pod it makes new pods of a new plan. */
export function planAnnotation({ origin }: Deployment): Record<string, string> {
  return { 'mmdeploy/plan': origin.planDigest };
}

/** Scrapers that go by annotations find the metrics. */
export function podAnnotations(deployment: Deployment): Record<string, string> {
  return {
    'prometheus.io/scrape': 'true',
    'prometheus.io/port': String(CONTAINER_PORT),
    'prometheus.io/path': '/metrics',
    ...planAnnotation(deployment),
  };
}

export function volumeClaim(deployment: Deployment, claim: string): object {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    ...volumeClaimTemplate(deployment, claim),
  };
}

/** Room for the weights, of which the plan knows the size in memory at least. */
export function volumeClaimTemplate(deployment: Deployment, claim: string): object {
  const { replicas, nodes } = deployment.scale;
  // Copies on several nodes read one volume; a copy over several has one on each.
  const shared = replicas > 1 && nodes === 1;
  return {
    metadata: { name: claim, labels: labels(deployment) },
    spec: {
      accessModes: [shared ? 'ReadWriteMany' : 'ReadWriteOnce'],
      resources: { requests: { storage: `${Math.ceil(storageBytes(deployment) / GIB)}Gi` } },
    },
  };
}

const SPARE = 1.1;
/** Compiled kernels and graphs, and the Hub's own cache of pieces. */
const VLLM_CACHES_BYTES = 15 * GIB;

function storageBytes({ engine, files, plan, scale }: Deployment): number {
  // A plan over several machines counts one of them, and each fetches the whole model.
  const loaded = weightBytes(plan) * scale.nodes;
  if (engine === 'vllm') {
    // A checkpoint that is quantised as it is loaded is fetched in 16 bits.
    const stored = plan.engine?.args.includes('--quantization') === true ? 2 : 1;
    return loaded * stored * SPARE + VLLM_CACHES_BYTES;
  }
  const known = files.every(({ bytes }) => bytes !== null);
  const bytes = known ? sum(files.map((file) => file.bytes ?? 0)) : loaded;
  return bytes * SPARE + GIB;
}

export function service(
  deployment: Deployment,
  name = deployment.name,
  pods: Readonly<Record<string, string>> = selector(deployment),
): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels: labels(deployment) },
    spec: {
      type: 'ClusterIP',
      selector: pods,
      ports: [{ name: 'http', port: deployment.listen.port, targetPort: 'http', protocol: 'TCP' }],
    },
  };
}

/** The cluster, the nodes and the cloud's metadata: what a model server has no business with. */
const PRIVATE_V4 = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
];
const PRIVATE_V6 = ['fc00::/7', 'fe80::/10'];

/**
 * Clients come from the own namespace, scrapers from the one of the monitoring; out go questions for names
 * and what is fetched from public addresses, if anything is.
 */
export function networkPolicy(
  deployment: Deployment,
  more: { readonly ingress: readonly object[]; readonly egress: readonly object[] } = NO_RULES,
): object {
  const monitoring = { 'kubernetes.io/metadata.name': MONITORING_NAMESPACE };
  const from = [{ podSelector: {} }, { namespaceSelector: { matchLabels: monitoring } }];
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: deployment.name, labels: labels(deployment) },
    spec: {
      podSelector: { matchLabels: selector(deployment) },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from, ports: [{ port: 'http', protocol: 'TCP' }] }, ...more.ingress],
      egress: [...(fetches(deployment) ? DOWNLOADS : []), ...more.egress],
    },
  };
}

const NO_RULES = { ingress: [], egress: [] };

const DOWNLOADS = [
  {
    ports: [
      { port: 53, protocol: 'UDP' },
      { port: 53, protocol: 'TCP' },
    ],
  },
  {
    to: [
      { ipBlock: { cidr: '0.0.0.0/0', except: PRIVATE_V4 } },
      { ipBlock: { cidr: '::/0', except: PRIVATE_V6 } },
    ],
    ports: [{ port: 443, protocol: 'TCP' }],
  },
];

function fetches(deployment: Deployment): boolean {
  return deployment.engine === 'vllm' || wantedFiles(deployment).some(({ url }) => url !== null);
}

/**
 * Drains of nodes take one copy at a time. None for a single copy: it could only forbid a drain for good or
 * allow what happens without it.
 */
export function disruptionBudget(deployment: Deployment): readonly object[] {
  if (deployment.scale.replicas === 1) return [];
  return [
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: deployment.name, labels: labels(deployment) },
      spec: { maxUnavailable: 1, selector: { matchLabels: selector(deployment) } },
    },
  ];
}
