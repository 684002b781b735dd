import { z } from 'zod';
import { podTemplate } from './kube-pod.ts';
import {
  label,
  labels,
  labelSelector,
  metadata,
  numberOrShare,
  objectName,
  portName,
  quantity,
  reference,
} from './kube-values.ts';
import { count, port, seconds, text } from './values.ts';

/** Objects of Kubernetes itself, with the fields that are written, and no other. */

export const deployment = z.strictObject({
  apiVersion: z.literal('apps/v1'),
  kind: z.literal('Deployment'),
  metadata,
  spec: z.strictObject({
    replicas: count.optional(),
    strategy: z
      .strictObject({
        type: z.enum(['Recreate', 'RollingUpdate']),
        rollingUpdate: z
          .strictObject({
            maxSurge: numberOrShare.optional(),
            maxUnavailable: numberOrShare.optional(),
          })
          .optional(),
      })
      .optional(),
    progressDeadlineSeconds: seconds.optional(),
    revisionHistoryLimit: count.optional(),
    selector: labelSelector,
    template: podTemplate,
  }),
});

export const service = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Service'),
  metadata: metadata.extend({ name: label }),
  spec: z.strictObject({
    type: z.enum(['ClusterIP']).optional(),
    clusterIP: z.literal('None').optional(),
    selector: labels,
    ports: z
      .array(
        z.strictObject({
          name: portName.optional(),
          port,
          targetPort: z.union([port, portName]).optional(),
          protocol: z.enum(['TCP']).optional(),
        }),
      )
      .min(1),
  }),
});

export const volumeClaim = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('PersistentVolumeClaim'),
  metadata,
  spec: z.strictObject({
    accessModes: z
      .array(z.enum(['ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOncePod']))
      .min(1),
    storageClassName: objectName.optional(),
    resources: z.strictObject({ requests: z.strictObject({ storage: quantity }) }),
  }),
});

export const configMap = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('ConfigMap'),
  metadata,
  immutable: z.boolean().optional(),
  data: z.record(z.string().regex(/^[-.\w]+$/), z.string()),
});

const metricTarget = z.strictObject({
  type: z.enum(['AverageValue', 'Value', 'Utilization']),
  averageValue: quantity.optional(),
  value: quantity.optional(),
  averageUtilization: seconds.optional(),
});
const metricName = z.strictObject({ name: text, selector: labelSelector.optional() });
const scalingRules = z.strictObject({
  stabilizationWindowSeconds: count.max(3600).optional(),
  selectPolicy: z.enum(['Max', 'Min', 'Disabled']).optional(),
  policies: z
    .array(
      z.strictObject({
        type: z.enum(['Pods', 'Percent']),
        value: seconds,
        periodSeconds: seconds.max(1800),
      }),
    )
    .optional(),
});
export const scalingBehavior = z.strictObject({
  scaleUp: scalingRules.optional(),
  scaleDown: scalingRules.optional(),
});

export const autoscaler = z.strictObject({
  apiVersion: z.literal('autoscaling/v2'),
  kind: z.literal('HorizontalPodAutoscaler'),
  metadata,
  spec: z.strictObject({
    scaleTargetRef: reference,
    minReplicas: seconds.optional(),
    maxReplicas: seconds,
    metrics: z
      .array(
        z.strictObject({
          type: z.enum(['Pods', 'External']),
          pods: z.strictObject({ metric: metricName, target: metricTarget }).optional(),
          external: z.strictObject({ metric: metricName, target: metricTarget }).optional(),
        }),
      )
      .min(1),
    behavior: scalingBehavior.optional(),
  }),
});

const protocol = z.enum(['TCP', 'UDP']).optional();
const ownPort = z.strictObject({ protocol, port: z.union([port, portName]).optional() });
/** A name would be one of somebody else's pods. */
const foreignPort = z.strictObject({ protocol, port: port.optional() });
const peer = z.strictObject({
  podSelector: labelSelector.optional(),
  namespaceSelector: labelSelector.optional(),
  ipBlock: z.strictObject({ cidr: text, except: z.array(text).optional() }).optional(),
});

export const networkPolicy = z.strictObject({
  apiVersion: z.literal('networking.k8s.io/v1'),
  kind: z.literal('NetworkPolicy'),
  metadata,
  spec: z.strictObject({
    podSelector: labelSelector,
    policyTypes: z.array(z.enum(['Ingress', 'Egress'])).min(1),
    ingress: z
      .array(z.strictObject({ from: z.array(peer).optional(), ports: z.array(ownPort).optional() }))
      .optional(),
    egress: z
      .array(
        z.strictObject({ to: z.array(peer).optional(), ports: z.array(foreignPort).optional() }),
      )
      .optional(),
  }),
});

export const disruptionBudget = z.strictObject({
  apiVersion: z.literal('policy/v1'),
  kind: z.literal('PodDisruptionBudget'),
  metadata,
  spec: z.strictObject({
    minAvailable: numberOrShare.optional(),
    maxUnavailable: numberOrShare.optional(),
    unhealthyPodEvictionPolicy: z.enum(['IfHealthyBudget', 'AlwaysAllow']).optional(),
    selector: labelSelector,
  }),
});

const failureRule = z.strictObject({
  action: z.enum(['FailJob', 'FailIndex', 'Ignore', 'Count']),
  onExitCodes: z
    .strictObject({
      containerName: label.optional(),
      operator: z.enum(['In', 'NotIn']),
      values: z.array(count.max(255)).min(1),
    })
    .optional(),
  onPodConditions: z
    .array(z.strictObject({ type: text, status: z.enum(['True', 'False', 'Unknown']) }))
    .optional(),
});

export const job = z.strictObject({
  apiVersion: z.literal('batch/v1'),
  kind: z.literal('Job'),
  metadata,
  spec: z.strictObject({
    completions: seconds.optional(),
    parallelism: seconds.optional(),
    completionMode: z.enum(['Indexed', 'NonIndexed']).optional(),
    backoffLimit: count.optional(),
    backoffLimitPerIndex: count.optional(),
    maxFailedIndexes: count.optional(),
    activeDeadlineSeconds: seconds.optional(),
    ttlSecondsAfterFinished: count.optional(),
    podFailurePolicy: z.strictObject({ rules: z.array(failureRule).min(1) }).optional(),
    template: podTemplate,
  }),
});
