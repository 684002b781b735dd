import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { kubernetesFindings } from '../../../src/render/schema/index.ts';

// Every field is known and of its kind in all of these: the API server refuses them, or takes them and
// nothing ever comes of it.
const read = (name: string) =>
  readFileSync(new URL(`../../fixtures/written/${name}`, import.meta.url), 'utf8');

function findings(name: string, from = '', to = ''): string {
  const text = read(name);
  expect(text).toContain(from);
  const documents = parseAllDocuments(text.replace(from, to));
  return kubernetesFindings(documents.map((each) => each.toJS() as unknown)).join('\n');
}

it.each(['kubernetes.yaml', 'operators.yaml'])('%s is taken', (name) => {
  expect(findings(name)).toBe('');
});

const IN_POD: readonly (readonly [string, string, string, string])[] = [
  ['a mount of no volume', 'name: shm, mountPath', 'name: shmm, mountPath', 'it mounts `shmm`'],
  [
    'a volume nobody mounts',
    'name: shm, mountPath: /dev/shm',
    'name: models, mountPath: /dev/shm',
    'volume `shm` is mounted nowhere',
  ],
  [
    'two volumes of a name',
    'name: host, hostPath',
    'name: shm, hostPath',
    'volume `shm` is there twice',
  ],
  [
    'a volume of two kinds',
    'emptyDir: { medium: Memory, sizeLimit: 8Gi }',
    'emptyDir: {}, hostPath: { path: /x }',
    'emptyDir and hostPath is set',
  ],
  [
    'a volume of no kind',
    ', hostPath: { path: /srv/models, type: Directory }',
    '',
    'volume `host`: nothing is set',
  ],
  [
    'two mounts at one place',
    'mountPath: /dev/shm',
    'mountPath: /models',
    'mount `/models` is there twice',
  ],
  [
    'a probe of a port nobody named',
    'port: http, scheme',
    'port: web, scheme',
    'startupProbe: no port of the container is called `web`',
  ],
  [
    'a probe that asks nothing',
    '            httpGet: { path: /health, port: 8080 }\n',
    '',
    'readinessProbe: nothing is set',
  ],
  [
    'a start that has to succeed twice',
    'failureThreshold: 120',
    'successThreshold: 2',
    'successThreshold has to be 1',
  ],
  [
    'a variable with two values',
    'name: NODE, valueFrom',
    'name: NODE, value: x, valueFrom',
    'value and valueFrom is set',
  ],
  [
    'a variable that is set twice',
    'name: SETTING',
    'name: HF_TOKEN',
    'variable `HF_TOKEN` is there twice',
  ],
  [
    'more requested than allowed',
    'memory: 32Gi, ephemeral',
    'memory: 49Gi, ephemeral',
    'memory 49Gi, above its limit 48Gi',
  ],
  [
    'in other units',
    'memory: 32Gi, ephemeral',
    'memory: 52G, ephemeral',
    'memory 52G, above its limit 48Gi',
  ],
  [
    'half of a card',
    'cpu: 500m, memory',
    "nvidia.com/gpu: '2', memory",
    'it requests nvidia.com/gpu 2 and is limited to 1',
  ],
  [
    'a secret',
    "name: HF_HUB_OFFLINE, value: '1'",
    'name: HF_TOKEN2_KEY, value: hf_abc',
    'the secret `HF_TOKEN2_KEY` stands in the file',
  ],
  [
    'two containers of a name',
    '- name: fetch',
    '- name: llama',
    'container `llama` is there twice',
  ],
];

const BETWEEN: readonly (readonly [string, string, string, string])[] = [
  [
    'a selector of other pods',
    'matchLabels: { app.kubernetes.io/name: qwen3-vl-8b } }\n  template',
    'matchLabels: { app.kubernetes.io/name: qwen3 } }\n  template',
    'its selector does not match',
  ],
  [
    'a selector that says nothing',
    'selector: { matchLabels: { app.kubernetes.io/name: qwen3-vl-8b } }\n  template',
    'selector: {}\n  template',
    'its selector does not match',
  ],
  [
    'a strategy that cannot be',
    'type: RollingUpdate, rolling',
    'type: Recreate, rolling',
    '`Recreate` goes without rollingUpdate',
  ],
  [
    'a strategy that never ends',
    'maxUnavailable: 25% } }',
    'maxUnavailable: 0 } }',
    'no pod could be replaced',
  ],
  [
    'pods that are not started again',
    'restartPolicy: Always',
    'restartPolicy: Never',
    'cannot have restartPolicy Never',
  ],
  [
    'a Service of no pods',
    '  type: ClusterIP\n  selector: { app.kubernetes.io/name: qwen3-vl-8b }',
    '  selector: { app.kubernetes.io/name: qwen }',
    'Service `qwen3-vl-8b`: no pod has the labels',
  ],
  [
    'a Service to a port nobody has',
    'targetPort: http,',
    'targetPort: web,',
    'no container behind it has the port web',
  ],
  [
    'a Service to another number',
    'targetPort: 8080 }',
    'targetPort: 8000 }',
    'no container behind it has the port 8000',
  ],
  [
    'ports that need names',
    '[{ port: 8080, targetPort: 8080 }]',
    '[{ port: 8080 }, { port: 80, targetPort: http }]',
    'each needs a name',
  ],
  [
    'clients let in where nobody listens',
    'protocol: TCP, port: 8080 }]\n  egress',
    'protocol: TCP, port: 8000 }]\n  egress',
    'it lets clients in to 8000',
  ],
  [
    'rules that are idle',
    'policyTypes: [Ingress, Egress]',
    'policyTypes: [Ingress]',
    'its egress is idle',
  ],
  [
    'a scale of nothing',
    'kind: Deployment, name: qwen3-vl-8b }',
    'kind: Deployment, name: qwen3 }',
    'it scales Deployment `qwen3`',
  ],
  [
    'limits the wrong way round',
    'minReplicas: 1',
    'minReplicas: 5',
    'its minimum is above its maximum',
  ],
  [
    'a metric of another type',
    '- type: External',
    '- type: Pods',
    'a metric of type Pods needs only its own',
  ],
  [
    'a target without its value',
    "type: Value, value: '4'",
    "type: Value, averageValue: '4'",
    'a target of type Value needs its value',
  ],
  [
    'a budget of two kinds',
    '  maxUnavailable: 25%\n',
    '  maxUnavailable: 25%\n  minAvailable: 1\n',
    'one of minAvailable and maxUnavailable',
  ],
  [
    'a claim nobody makes',
    'claimName: qwen3-vl-8b-models, readOnly',
    'claimName: qwen3-models, readOnly',
    'there is no claim `qwen3-models`',
  ],
  [
    'settings nobody makes',
    'name: qwen3-vl-8b-plan\n            default',
    'name: plan\n            default',
    'there is no ConfigMap `plan`',
  ],
  [
    'two objects of a name',
    'metadata: { name: qwen3-vl-8b-pods }',
    'metadata: { name: qwen3-vl-8b }',
    'Service `qwen3-vl-8b` is there twice',
  ],
  [
    'two namespaces',
    'metadata: { name: qwen3-vl-8b-pods }',
    'metadata: { name: qwen3-vl-8b-pods, namespace: x }',
    'not of one namespace',
  ],
  ['a job whose pods go on for ever', '      restartPolicy: Never\n', '', 'Never or OnFailure'],
  ['a job without a number of parts', '  completions: 64\n', '', '`Indexed` needs completions'],
  [
    'retries of parts that are none',
    'completionMode: Indexed',
    'completionMode: NonIndexed',
    'backoffLimitPerIndex needs `Indexed`',
  ],
  [
    'failures counted by nothing',
    '  backoffLimitPerIndex: 2\n',
    '',
    'maxFailedIndexes needs backoffLimitPerIndex',
  ],
];

describe('in a pod', () => {
  it.each(IN_POD)('%s is found', (_, from, to, said) => {
    expect(findings('kubernetes.yaml', from, to)).toContain(said);
  });
});

describe('between the objects', () => {
  it.each(BETWEEN)('%s is found', (_, from, to, said) => {
    expect(findings('kubernetes.yaml', from, to)).toContain(said);
  });

  it.each([
    [
      'a container that KServe does not fill in',
      '- name: main',
      '- name: vllm',
      'the container `main`',
    ],
    ['scaling the wrong way round', 'minReplicaCount: 1', 'minReplicaCount: 9', 'minimum is above'],
    [
      'a worker’s port nobody named',
      "command: [sh, -c, 'exec ray",
      "readinessProbe: { tcpSocket: { port: ray } }\n            command: [sh, -c, 'exec ray",
      'is called `ray`',
    ],
  ])('%s is found', (_, from, to, said) => {
    expect(findings('operators.yaml', from, to)).toContain(said);
  });

  it('says nothing of what another file has', () => {
    const alone = (kind: string) => (each: unknown) => (each as { kind: string }).kind === kind;
    const documents = parseAllDocuments(read('kubernetes.yaml')).map(
      (each) => each.toJS() as unknown,
    );
    expect(kubernetesFindings(documents.filter(alone('Service')))).toEqual([]);
    expect(kubernetesFindings(documents.filter(alone('Deployment')))).toEqual([]);
    expect(kubernetesFindings(documents.filter(alone('HorizontalPodAutoscaler')))).toEqual([]);
  });
});
