import type { z } from 'zod';
import type { inferenceService, leaderWorkerSet, scaledObject } from './kube-operators.ts';
import { podFindings, type Pod } from './kube-pod-rules.ts';
import type {
  autoscaler,
  deployment,
  disruptionBudget,
  job,
  networkPolicy,
  service,
  volumeClaim,
  configMap,
} from './kubernetes.ts';

type Deployment = z.infer<typeof deployment>;
type Job = z.infer<typeof job>;
type Service = z.infer<typeof service>;
type Autoscaler = z.infer<typeof autoscaler>;
type ScaledObject = z.infer<typeof scaledObject>;
type Budget = z.infer<typeof disruptionBudget>;
type Policy = z.infer<typeof networkPolicy>;
type Workers = z.infer<typeof leaderWorkerSet>;
type Inference = z.infer<typeof inferenceService>;

export type KubeObject =
  | Deployment
  | Job
  | Service
  | Autoscaler
  | ScaledObject
  | Budget
  | Policy
  | Workers
  | Inference
  | z.infer<typeof volumeClaim>
  | z.infer<typeof configMap>;

/** A pod of a file with the labels that it will have. */
export type Labelled = { readonly labels: Readonly<Record<string, string>>; readonly pod: Pod };

/** The controller counts the pods of a group; the leader is the first. */
const WORKER_INDEX = 'leaderworkerset.sigs.k8s.io/worker-index';

/** The pods that an object makes. */
export function podsOf(object: KubeObject): Labelled[] {
  const labelled = (template: Deployment['spec']['template'] | undefined): Labelled[] =>
    template === undefined ? [] : [{ labels: template.metadata?.labels ?? {}, pod: template.spec }];
  switch (object.kind) {
    case 'Deployment':
    case 'Job':
      return labelled(object.spec.template);
    case 'LeaderWorkerSet': {
      const { leaderTemplate, workerTemplate, volumeClaimTemplates } =
        object.spec.leaderWorkerTemplate;
      // The controller makes a volume of each claim.
      const claimed = (volumeClaimTemplates ?? []).map(({ metadata: { name } }) => ({
        name,
        persistentVolumeClaim: { claimName: name },
      }));
      const numbered = [labelled(leaderTemplate), labelled(workerTemplate)].flatMap((pods, index) =>
        pods.map(({ labels, pod }) => ({ pod, labels: { ...labels, [WORKER_INDEX]: `${index}` } })),
      );
      return numbered.map(({ labels, pod }) => ({
        labels,
        pod: { ...pod, volumes: [...(pod.volumes ?? []), ...claimed] },
      }));
    }
    case 'LLMInferenceService':
      return [object.spec.template, object.spec.worker].flatMap((pod) =>
        pod === undefined ? [] : [{ labels: object.spec.labels ?? {}, pod }],
      );
    default:
      return [];
  }
}

/** What the API server refuses of one object, its pods included. */
export function ownFindings(object: KubeObject): string[] {
  const pods = podsOf(object).flatMap(({ pod }) => podFindings(pod));
  switch (object.kind) {
    case 'Deployment':
      return [...pods, ...deploymentFindings(object)];
    case 'Job':
      return [...pods, ...jobFindings(object)];
    case 'LLMInferenceService':
      return [...pods, ...inferenceFindings(object)];
    case 'Service': {
      const { ports } = object.spec;
      const unnamed = ports.length > 1 && ports.some(({ name }) => name === undefined);
      return unnamed ? ['with more than one port each needs a name'] : [];
    }
    case 'HorizontalPodAutoscaler':
      return autoscalerFindings(object);
    case 'ScaledObject': {
      const { minReplicaCount = 0, maxReplicaCount = 100 } = object.spec;
      return minReplicaCount > maxReplicaCount ? ['its minimum is above its maximum'] : [];
    }
    case 'PodDisruptionBudget': {
      const { minAvailable, maxUnavailable } = object.spec;
      const both = (minAvailable === undefined) === (maxUnavailable === undefined);
      return both ? ['it needs one of minAvailable and maxUnavailable'] : [];
    }
    case 'NetworkPolicy': {
      const { policyTypes, ingress, egress } = object.spec;
      return [
        ...(ingress !== undefined && !policyTypes.includes('Ingress')
          ? ['its ingress is idle']
          : []),
        ...(egress !== undefined && !policyTypes.includes('Egress') ? ['its egress is idle'] : []),
      ];
    }
    default:
      return pods;
  }
}

function deploymentFindings({ spec }: Deployment): string[] {
  const { strategy, template } = spec;
  const rolling = strategy?.rollingUpdate;
  const stuck = rolling?.maxSurge === 0 && rolling.maxUnavailable === 0;
  const { restartPolicy = 'Always' } = template.spec;
  return [
    ...(strategy?.type === 'Recreate' && rolling !== undefined
      ? ['`Recreate` goes without rollingUpdate']
      : []),
    ...(stuck ? ['maxSurge and maxUnavailable are both 0: no pod could be replaced'] : []),
    ...(restartPolicy === 'Always' ? [] : [`its pods cannot have restartPolicy ${restartPolicy}`]),
    ...(selects(spec.selector.matchLabels, template.metadata?.labels ?? {})
      ? []
      : ['its selector does not match the labels of its pods']),
  ];
}

function jobFindings({ spec }: Job): string[] {
  const { completionMode, completions, backoffLimitPerIndex, maxFailedIndexes, template } = spec;
  const { restartPolicy } = template.spec;
  const found: string[] = [];
  if (restartPolicy !== 'Never' && restartPolicy !== 'OnFailure') {
    found.push('its pods need restartPolicy Never or OnFailure');
  }
  const indexed = completionMode === 'Indexed';
  if (indexed && completions === undefined) found.push('`Indexed` needs completions');
  if (backoffLimitPerIndex !== undefined && (!indexed || restartPolicy !== 'Never')) {
    found.push('backoffLimitPerIndex needs `Indexed` and restartPolicy Never');
  }
  if (maxFailedIndexes !== undefined && backoffLimitPerIndex === undefined) {
    found.push('maxFailedIndexes needs backoffLimitPerIndex');
  }
  return found;
}

function inferenceFindings({ spec }: Inference): string[] {
  const templates = [spec.template, spec.worker].filter((pod) => pod !== undefined);
  const lost = templates.some(({ containers }) => !containers.some(({ name }) => name === 'main'));
  return lost ? ['KServe fills in the container `main`, and there is none'] : [];
}

function autoscalerFindings({ spec }: Autoscaler): string[] {
  const { minReplicas = 1, maxReplicas, metrics } = spec;
  const wrong = metrics.flatMap(({ type, pods, external }) => {
    const metric = type === 'Pods' ? pods : external;
    const other = type === 'Pods' ? external : pods;
    if (metric === undefined || other !== undefined)
      return [`a metric of type ${type} needs only its own`];
    const { target } = metric;
    const values = {
      AverageValue: target.averageValue,
      Value: target.value,
      Utilization: target.averageUtilization,
    };
    return values[target.type] === undefined
      ? [`a target of type ${target.type} needs its value`]
      : [];
  });
  return [...(minReplicas > maxReplicas ? ['its minimum is above its maximum'] : []), ...wrong];
}

/** Of a workload's own selector: it has to say something. */
function selects(wanted: Labelled['labels'] | undefined, labels: Labelled['labels']): boolean {
  const entries = Object.entries(wanted ?? {});
  return entries.length > 0 && entries.every(([key, value]) => labels[key] === value);
}
