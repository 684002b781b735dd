import type { Deployment, RenderedFile } from '../types.ts';
import { labels, MONITORING_NAMESPACE } from './kube-objects.ts';
import { yamlText } from './yaml.ts';

const MOST_COPIES = 4;
/** What Kubernetes allows at most. */
const LONGEST_WINDOW_SECONDS = 3600;
const LEAST_WINDOW_SECONDS = 300;

/** Requests that are answered and those that wait, as each server counts them. */
const LOAD = {
  'llama.cpp': ['llamacpp:requests_processing', 'llamacpp:requests_deferred'],
  vllm: ['vllm:num_requests_running', 'vllm:num_requests_waiting'],
  gateway: ['mmdeploy_slots_busy', 'mmdeploy_queue_requests'],
} as const;

/** What a Deployment's pods have after its name: of the template, then of the pod. `NAME-other-…` has more. */
const POD_OF_DEPLOYMENT = '[a-z0-9]+-[a-z0-9]{5}';

const NOTES = [
  '',
  `For clusters with KEDA, and a Prometheus that reads the pods and answers at \`serverAddress\`.`,
  'It reads every namespace that Prometheus does: where another has a deployment of this name, say in the query',
  'which one is meant, `namespace="…"`.',
  'Copies on other nodes read the same volume: give its claim `ReadWriteMany` before this is applied.',
];

/**
 * KEDA's autoscaler over the queue: as many copies as it takes to give each request that runs or waits a slot.
 * Waiting requests alone would take copies away as soon as nobody waits, busy or not.
 */
export function autoscaling(deployment: Deployment): RenderedFile {
  const { name, scale, startSeconds, plan } = deployment;
  const seconds = Math.max(LEAST_WINDOW_SECONDS, startSeconds);
  const stabilizationWindowSeconds = Math.min(LONGEST_WINDOW_SECONDS, seconds);
  const behavior = { scaleDown: { stabilizationWindowSeconds } };
  const object = {
    apiVersion: 'keda.sh/v1alpha1',
    kind: 'ScaledObject',
    metadata: { name, labels: labels(deployment) },
    spec: {
      scaleTargetRef: { name },
      minReplicaCount: scale.replicas,
      maxReplicaCount: Math.max(MOST_COPIES, 2 * scale.replicas),
      // A copy that is taken away too early costs its whole start again.
      advanced: { horizontalPodAutoscalerConfig: { behavior } },
      triggers: [
        {
          type: 'prometheus',
          metadata: {
            serverAddress: `http://prometheus-operated.${MONITORING_NAMESPACE}.svc:9090`,
            query: query(deployment),
            threshold: String(plan.settings?.slots ?? 1),
          },
        },
      ],
    },
  };
  return {
    path: 'autoscaling.yaml',
    text: yamlText(deployment, [object], NOTES),
    reader: 'kubernetes',
  };
}

function query({ name, shape, engine }: Deployment): string {
  const pods = `{pod=~"${name}-${POD_OF_DEPLOYMENT}"}`;
  const metrics = LOAD[shape === 'gateway' ? 'gateway' : engine];
  return metrics.map((metric) => `sum(${metric}${pods})`).join(' + ');
}
