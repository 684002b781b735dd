import { planText } from './deployment.ts';
import { estimateDockerfile } from './dockerfile.ts';
import { CONTAINER_SECURITY, literal, POD_DEFAULTS } from './parts/pod.ts';
import { shellWord } from './parts/quote.ts';
import { yamlText } from './parts/yaml.ts';
import type { Deployment, Refusal, RenderedFile } from './types.ts';
import { defineTarget } from './types.ts';

const JOB_FILE = 'estimate-job.yaml';
const MERGE_FILE = 'estimate-merge.yaml';
const SHARES = 16;
const AT_ONCE = 8;
const DATA_DIR = '/data';
const PLAN_DIR = '/etc/mmdeploy';
const DAY_SECONDS = 86_400;
/** Any user: nothing of the image belongs to one. */
const USER = 1000;

const NOTES = [
  '',
  `The volume of the claim \`estimate-data\` holds \`manifest.jsonl\` and what it names; the shares are written`,
  `into its folder \`parts\`. Pods on several nodes need \`ReadWriteMany\`. More shares: \`completions\` and the`,
  'variable JOB_COMPLETIONS, and the same number in `estimate-merge.yaml`.',
];

/** A count of tokens over a manifest, in shares, by an Indexed Job; a second job adds them up. */
export const k8sJob = defineTarget({
  id: 'k8s-job',
  title: 'Kubernetes Indexed Job: `mmdeploy estimate` over a manifest, in shares',
  refuses: ownFiles,
  // Tokens are counted by rules, without the model.
  fetchesModel: true,
  render: (deployment) => [
    file(deployment, JOB_FILE, [planMap(deployment), shareJob(deployment), policy(deployment)]),
    file(deployment, MERGE_FILE, [mergeJob(deployment)]),
    estimateDockerfile(deployment),
  ],
  start: (deployment) => {
    const name = nameOf(deployment);
    const image = imageOf(deployment);
    const pushed = `REGISTRY/${image}`;
    const apply = (path: string) =>
      `sed 's#image: ${image}#image: ${pushed}#' ${path} | kubectl apply --filename -`;
    const done = (job: string) =>
      `kubectl wait job/${job} --for=condition=Complete --timeout=${DAY_SECONDS}s`;
    return [
      `docker build --file Dockerfile.estimate --tag ${pushed} . && docker push ${pushed}`,
      `${apply(JOB_FILE)} && ${done(name)}`,
      `${apply(MERGE_FILE)} && ${done(`${name}-merge`)}`,
      `kubectl logs job/${name}-merge > estimate.json`,
    ];
  },
});

/** Counting rules come from profiles, or from a file that the pods would need as well. */
function ownFiles({ plan }: Deployment): Refusal | null {
  const { model } = plan.files;
  if (model === null || model.path === null || model.source !== null) return null;
  return {
    reason: `its pods would have to read \`${shellWord(model.path)}\`, which nobody publishes`,
    instead: ['kubernetes', 'compose', 'llama-server'],
  };
}

function file(deployment: Deployment, path: string, objects: readonly object[]): RenderedFile {
  return { path, text: yamlText(deployment, objects, NOTES), reader: 'kubernetes' };
}

function nameOf({ name }: Deployment): string {
  return `${name}-estimate`;
}

function imageOf({ images }: Deployment): string {
  return images.gateway.replace(/:/, '-estimate:');
}

function labelsOf(deployment: Deployment): Record<string, string> {
  return {
    'app.kubernetes.io/name': nameOf(deployment),
    'app.kubernetes.io/component': 'estimate',
    'app.kubernetes.io/managed-by': 'mmdeploy',
  };
}

/** Files are counted where the pods are: paths of this machine say nothing there. */
function planMap(deployment: Deployment): object {
  const { plan } = deployment;
  const { model, mmproj } = plan.files;
  const placed = {
    ...plan,
    files: {
      model: model === null ? null : { ...model, path: null },
      mmproj: mmproj === null ? null : { ...mmproj, path: null },
    },
  };
  const metadata = { name: `${nameOf(deployment)}-plan`, labels: labelsOf(deployment) };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'plan.json': planText(placed) } };
}

/**
 * One share, whole or not there. Its arguments are the manifest, the plan and the folder of shares; Kubernetes
 * tells its index, the job how many there are.
 */
export const SHARE_SCRIPT = `mkdir -p "$3"
part="$3/part-$JOB_COMPLETION_INDEX-of-$JOB_COMPLETIONS.json"
mmdeploy estimate --manifest "$1" --plan "$2" --shard auto --requests per-line --output json >"$part.new"
mv "$part.new" "$part"
`;

/** The document of all shares. Its arguments are the folder and their number. */
export const MERGE_SCRIPT = `mmdeploy estimate merge "$1"/part-*-of-"$2".json --output json
`;

function shareJob(deployment: Deployment): object {
  const name = nameOf(deployment);
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, labels: labelsOf(deployment) },
    spec: {
      completions: SHARES,
      parallelism: AT_ONCE,
      completionMode: 'Indexed',
      backoffLimitPerIndex: 2,
      // A sum without one of its shares is none.
      maxFailedIndexes: 0,
      podFailurePolicy: { rules: FAILURE_RULES },
      ttlSecondsAfterFinished: DAY_SECONDS,
      template: pod(deployment, {
        script: SHARE_SCRIPT,
        args: [`${DATA_DIR}/manifest.jsonl`, `${PLAN_DIR}/plan.json`, `${DATA_DIR}/parts`],
        env: [{ name: 'JOB_COMPLETIONS', value: String(SHARES) }],
        mounts: [{ name: 'plan', mountPath: PLAN_DIR, readOnly: true }],
        volumes: [{ name: 'plan', configMap: { name: `${name}-plan` } }],
      }),
    },
  };
}

/** A wrong flag and a missing file stay as they are; a drained node is nobody's fault. */
const FAILURE_RULES = [
  {
    action: 'FailJob',
    onExitCodes: { containerName: 'estimate', operator: 'In', values: [2, 5] },
  },
  { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
];

function mergeJob(deployment: Deployment): object {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: `${nameOf(deployment)}-merge`, labels: labelsOf(deployment) },
    spec: {
      backoffLimit: 2,
      ttlSecondsAfterFinished: DAY_SECONDS,
      template: pod(deployment, {
        script: MERGE_SCRIPT,
        args: [`${DATA_DIR}/parts`, String(SHARES)],
        env: [],
        mounts: [],
        volumes: [],
      }),
    },
  };
}

type Task = {
  readonly script: string;
  readonly args: readonly string[];
  readonly env: readonly object[];
  readonly mounts: readonly object[];
  readonly volumes: readonly object[];
};

function pod(deployment: Deployment, { script, args, env, mounts, volumes }: Task): object {
  return {
    metadata: { labels: labelsOf(deployment) },
    spec: {
      ...POD_DEFAULTS,
      restartPolicy: 'Never',
      securityContext: {
        runAsNonRoot: true,
        runAsUser: USER,
        fsGroup: USER,
        fsGroupChangePolicy: 'OnRootMismatch',
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: 'estimate',
          image: imageOf(deployment),
          command: ['/bin/sh', '-euc', literal(script), 'estimate'],
          args,
          env: [{ name: 'HOME', value: '/tmp' }, ...env],
          resources: {
            requests: { cpu: '1', memory: '512Mi' },
            limits: { memory: '2Gi' },
          },
          securityContext: CONTAINER_SECURITY,
          volumeMounts: [
            { name: 'data', mountPath: DATA_DIR },
            { name: 'tmp', mountPath: '/tmp' },
            ...mounts,
          ],
        },
      ],
      volumes: [
        { name: 'data', persistentVolumeClaim: { claimName: 'estimate-data' } },
        { name: 'tmp', emptyDir: {} },
        ...volumes,
      ],
    },
  };
}

/** Counting needs no network. */
function policy(deployment: Deployment): object {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: nameOf(deployment), labels: labelsOf(deployment) },
    spec: {
      podSelector: { matchLabels: { 'app.kubernetes.io/name': nameOf(deployment) } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [],
      egress: [],
    },
  };
}
