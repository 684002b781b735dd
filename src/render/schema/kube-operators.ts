import { z } from 'zod';
import { podOverlay, podTemplate } from './kube-pod.ts';
import { labels, metadata, objectName } from './kube-values.ts';
import { scalingBehavior, volumeClaim } from './kubernetes.ts';
import { count, seconds, text } from './values.ts';

/** Resources of operators: their own definitions take unknown fields and drop them in silence. */

/** KEDA 2: scales on what Prometheus says. Trigger metadata are strings, numbers among them. */
export const scaledObject = z.strictObject({
  apiVersion: z.literal('keda.sh/v1alpha1'),
  kind: z.literal('ScaledObject'),
  metadata,
  spec: z.strictObject({
    scaleTargetRef: z.strictObject({
      apiVersion: text.optional(),
      kind: text.optional(),
      name: objectName,
    }),
    pollingInterval: seconds.optional(),
    cooldownPeriod: count.optional(),
    minReplicaCount: count.optional(),
    maxReplicaCount: seconds.optional(),
    advanced: z
      .strictObject({
        horizontalPodAutoscalerConfig: z
          .strictObject({ behavior: scalingBehavior.optional() })
          .optional(),
      })
      .optional(),
    triggers: z
      .array(
        z.strictObject({
          type: z.literal('prometheus'),
          name: text.optional(),
          metricType: z.enum(['AverageValue', 'Value']).optional(),
          metadata: z.strictObject({
            serverAddress: z.string().regex(/^https?:\/\/\S+$/),
            query: text,
            threshold: z.string().regex(/^\d+(\.\d+)?$/),
            activationThreshold: z
              .string()
              .regex(/^\d+(\.\d+)?$/)
              .optional(),
            ignoreNullValues: z.enum(['true', 'false']).optional(),
          }),
        }),
      )
      .min(1),
  }),
});

/** LeaderWorkerSet v1: groups of pods that are one engine. */
export const leaderWorkerSet = z.strictObject({
  apiVersion: z.literal('leaderworkerset.x-k8s.io/v1'),
  kind: z.literal('LeaderWorkerSet'),
  metadata,
  spec: z.strictObject({
    replicas: count.optional(),
    startupPolicy: z.enum(['LeaderCreated', 'LeaderReady']).optional(),
    networkConfig: z
      .strictObject({ subdomainPolicy: z.enum(['Shared', 'UniquePerReplica']) })
      .optional(),
    rolloutStrategy: z
      .strictObject({
        type: z.literal('RollingUpdate'),
        rollingUpdateConfiguration: z
          .strictObject({ maxUnavailable: count.optional(), maxSurge: count.optional() })
          .optional(),
      })
      .optional(),
    leaderWorkerTemplate: z.strictObject({
      size: z.number().int().min(2),
      restartPolicy: z.enum(['RecreateGroupOnPodRestart', 'None']).optional(),
      leaderTemplate: podTemplate.optional(),
      workerTemplate: podTemplate,
      volumeClaimTemplates: z.array(volumeClaim.omit({ apiVersion: true, kind: true })).optional(),
    }),
  }),
});

const parallelism = z.strictObject({
  tensor: seconds.optional(),
  pipeline: seconds.optional(),
  data: seconds.optional(),
  dataLocal: seconds.optional(),
  expert: z.boolean().optional(),
});

/** KServe v1alpha2: vLLM replicas behind llm-d's router. Empty objects ask for the operator's own. */
export const inferenceService = z.strictObject({
  apiVersion: z.literal('serving.kserve.io/v1alpha2'),
  kind: z.literal('LLMInferenceService'),
  metadata,
  spec: z.strictObject({
    model: z.strictObject({
      uri: z.string().regex(/^(hf|pvc|s3|oci|gs):\/\/\S+$/),
      name: text.optional(),
    }),
    replicas: count.optional(),
    labels: labels.optional(),
    parallelism: parallelism.optional(),
    router: z
      .strictObject({
        scheduler: z.strictObject({}).optional(),
        route: z.strictObject({}).optional(),
        gateway: z.strictObject({}).optional(),
      })
      .optional(),
    template: podOverlay.optional(),
    worker: podOverlay.optional(),
  }),
});
