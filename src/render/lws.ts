import { containerProcess } from './parts/container.ts';
import {
  disruptionBudget,
  labels,
  networkPolicy,
  planAnnotation,
  podAnnotations,
  selector,
  service,
  volumeClaimTemplate,
} from './parts/kube-objects.ts';
import { FETCH_RESOURCES } from './parts/fetch.ts';
import {
  CONTAINER_SECURITY,
  engineContainer,
  POD_DEFAULTS,
  podNotes,
  podSecurity,
  volumes,
} from './parts/pod.ts';
import { placement } from './parts/pod-resources.ts';
import { noImage, onlyVllm } from './parts/refusals.ts';
import { yamlText } from './parts/yaml.ts';
import { PRE_STOP_SECONDS, stopSeconds } from './parts/stop-times.ts';
import type { Deployment, Refusal } from './types.ts';
import { defineTarget } from './types.ts';

const FILE = 'lws.yaml';
const NOTES = [
  '',
  'For clusters with LeaderWorkerSet (https://lws.sigs.k8s.io). The machines of a copy talk over the',
  'network of the pods; over InfiniBand they do once its device plugin adds its resources here.',
];

/** LeaderWorkerSet: each copy of vLLM is a group of pods, a machine for each stage of the model. */
export const lws = defineTarget({
  id: 'lws',
  title: 'LeaderWorkerSet: vLLM over several machines of Kubernetes',
  refuses: (deployment) => onlyVllm(deployment) ?? noImage(deployment) ?? oneMachine(deployment),
  render: (deployment) => {
    const objects = [
      leaderWorkerSet(deployment),
      // The set's own name is taken: its controller makes a headless service of it.
      service(deployment, leaderService(deployment), { ...selector(deployment), ...LEADER }),
      networkPolicy(deployment, withinGroup(deployment)),
      ...disruptionBudget(deployment),
    ];
    return [
      {
        path: FILE,
        text: yamlText(deployment, objects, [...NOTES, ...podNotes(deployment)]),
        reader: 'kubernetes',
      },
    ];
  },
  start: (deployment) => [
    `kubectl apply --filename ${FILE}`,
    `kubectl wait leaderworkerset/${deployment.name} --for=condition=Available --timeout=${deployment.startSeconds}s`,
    `kubectl port-forward service/${leaderService(deployment)} ${deployment.listen.port}`,
  ],
});

/** Set by the controller; other pods of the group count up. */
const LEADER = { 'leaderworkerset.sigs.k8s.io/worker-index': '0' };

function leaderService({ name }: Deployment): string {
  return `${name}-leader`;
}

function oneMachine({ scale }: Deployment): Refusal | null {
  if (scale.nodes > 1) return null;
  return {
    reason: 'a copy of the model fits one machine, and is faster there',
    instead: ['kubernetes', 'kserve', 'vllm'],
  };
}

function leaderWorkerSet(deployment: Deployment): object {
  const { name, scale } = deployment;
  return {
    apiVersion: 'leaderworkerset.x-k8s.io/v1',
    kind: 'LeaderWorkerSet',
    metadata: { name, labels: labels(deployment) },
    spec: {
      replicas: scale.replicas,
      leaderWorkerTemplate: {
        size: scale.nodes,
        // A stage that is gone takes its copy with it: the others wait for it in vain.
        restartPolicy: 'RecreateGroupOnPodRestart',
        leaderTemplate: podTemplate(deployment, 'leader'),
        workerTemplate: podTemplate(deployment, 'worker'),
        // Each machine reads its stage out of all weights, and finds them again after a restart.
        volumeClaimTemplates: [volumeClaimTemplate(deployment, 'cache')],
      },
    },
  };
}

type Role = 'leader' | 'worker';

function podTemplate(deployment: Deployment, role: Role): object {
  return {
    metadata: {
      labels: labels(deployment),
      annotations: role === 'leader' ? podAnnotations(deployment) : planAnnotation(deployment),
    },
    spec: {
      ...POD_DEFAULTS,
      securityContext: podSecurity(deployment),
      ...placement(deployment),
      terminationGracePeriodSeconds: PRE_STOP_SECONDS + stopSeconds(deployment),
      initContainers: [leaderIsKnown(deployment)],
      containers: [container(deployment, role)],
      volumes: volumes(deployment, 'cache').filter(
        (volume) => !('persistentVolumeClaim' in volume),
      ),
    },
  };
}

/** The leader has a name once its pod has an address: an engine that asks earlier ends the whole group. */
function leaderIsKnown({ images }: Deployment): object {
  const script = 'until getent hosts "$LWS_LEADER_ADDRESS"; do sleep 2; done';
  return {
    name: 'leader-is-known',
    image: images.fetch,
    command: ['/bin/sh', '-c', script],
    resources: FETCH_RESOURCES,
    securityContext: CONTAINER_SECURITY,
  };
}

/**
 * The engine with its place in the group, by variables that the controller sets in every pod (vLLM,
 * docs/deployment/frameworks/lws.md). Only the leader answers requests, so only it can be asked.
 */
function container(deployment: Deployment, role: Role): object {
  const place = [
    ...['--nnodes', '$(LWS_GROUP_SIZE)', '--node-rank', '$(LWS_WORKER_INDEX)'],
    ...['--master-addr', '$(LWS_LEADER_ADDRESS)'],
  ];
  return engineContainer(deployment, containerProcess(deployment), {
    args: role === 'worker' ? [...place, '--headless'] : place,
    answers: role === 'leader',
  });
}

/** The pods of a copy agree on ports among themselves. */
function withinGroup(deployment: Deployment): {
  ingress: readonly object[];
  egress: readonly object[];
} {
  const group = [{ podSelector: { matchLabels: selector(deployment) } }];
  return { ingress: [{ from: group }], egress: [{ to: group }] };
}
