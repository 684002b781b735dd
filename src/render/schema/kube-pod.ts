import { z } from 'zod';
import {
  annotations,
  label,
  labels,
  labelSelector,
  objectName,
  portName,
  quantity,
  resources,
} from './kube-values.ts';
import { absolutePath, count, image, port, seconds, text, variableName } from './values.ts';

const keyOf = z.strictObject({ name: objectName, key: text, optional: z.boolean().optional() });

const variable = z.strictObject({
  name: variableName,
  value: z.string().optional(),
  valueFrom: z
    .strictObject({
      secretKeyRef: keyOf.optional(),
      configMapKeyRef: keyOf.optional(),
      fieldRef: z.strictObject({ fieldPath: text }).optional(),
    })
    .optional(),
});

const whichPort = z.union([port, portName]);
const httpGet = z.strictObject({
  path: absolutePath,
  port: whichPort,
  scheme: z.enum(['HTTP', 'HTTPS']).optional(),
});
const exec = z.strictObject({ command: z.array(z.string()).min(1) });

const probe = z.strictObject({
  httpGet: httpGet.optional(),
  exec: exec.optional(),
  tcpSocket: z.strictObject({ port: whichPort }).optional(),
  initialDelaySeconds: count.optional(),
  periodSeconds: seconds.optional(),
  timeoutSeconds: seconds.optional(),
  failureThreshold: seconds.optional(),
  successThreshold: seconds.optional(),
});

const seccomp = z.strictObject({ type: z.enum(['RuntimeDefault', 'Unconfined']) });

const containerSecurity = z.strictObject({
  allowPrivilegeEscalation: z.literal(false).optional(),
  readOnlyRootFilesystem: z.boolean().optional(),
  privileged: z.literal(false).optional(),
  runAsNonRoot: z.boolean().optional(),
  runAsUser: count.optional(),
  runAsGroup: count.optional(),
  capabilities: z
    .strictObject({
      drop: z.array(z.string().regex(/^[A-Z_]+$/)).optional(),
      add: z.array(z.string().regex(/^[A-Z_]+$/)).optional(),
    })
    .optional(),
  seccompProfile: seccomp.optional(),
});

const volumeMount = z.strictObject({
  name: label,
  mountPath: absolutePath,
  subPath: text.optional(),
  readOnly: z.boolean().optional(),
});

const container = z.strictObject({
  name: label,
  image,
  imagePullPolicy: z.enum(['IfNotPresent', 'Never']).optional(),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  workingDir: absolutePath.optional(),
  env: z.array(variable).optional(),
  ports: z
    .array(
      z.strictObject({
        name: portName.optional(),
        containerPort: port,
        protocol: z.enum(['TCP', 'UDP']).optional(),
      }),
    )
    .optional(),
  resources: z
    .strictObject({ limits: resources.optional(), requests: resources.optional() })
    .optional(),
  startupProbe: probe.optional(),
  readinessProbe: probe.optional(),
  livenessProbe: probe.optional(),
  lifecycle: z
    .strictObject({
      preStop: z
        .strictObject({ exec: exec.optional(), sleep: z.strictObject({ seconds }).optional() })
        .optional(),
    })
    .optional(),
  securityContext: containerSecurity.optional(),
  volumeMounts: z.array(volumeMount).optional(),
});

const volume = z.strictObject({
  name: label,
  persistentVolumeClaim: z
    .strictObject({ claimName: objectName, readOnly: z.boolean().optional() })
    .optional(),
  emptyDir: z
    .strictObject({ medium: z.enum(['', 'Memory']).optional(), sizeLimit: quantity.optional() })
    .optional(),
  configMap: z
    .strictObject({
      name: objectName,
      defaultMode: count.optional(),
      items: z.array(z.strictObject({ key: text, path: text, mode: count.optional() })).optional(),
    })
    .optional(),
  hostPath: z
    .strictObject({
      path: absolutePath,
      type: z.enum(['Directory', 'File', 'CharDevice']).optional(),
    })
    .optional(),
});

const toleration = z.strictObject({
  key: text.optional(),
  operator: z.enum(['Exists', 'Equal']).optional(),
  value: z.string().optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
});

const spread = z.strictObject({
  maxSkew: seconds,
  topologyKey: text,
  whenUnsatisfiable: z.enum(['DoNotSchedule', 'ScheduleAnyway']),
  labelSelector: labelSelector.optional(),
});

const podSecurity = z.strictObject({
  runAsNonRoot: z.boolean().optional(),
  runAsUser: count.optional(),
  runAsGroup: count.optional(),
  fsGroup: count.optional(),
  fsGroupChangePolicy: z.enum(['OnRootMismatch', 'Always']).optional(),
  supplementalGroups: z.array(count).optional(),
  seccompProfile: seccomp.optional(),
});

const nodePreference = z.strictObject({
  weight: seconds.max(100),
  preference: z.strictObject({
    matchExpressions: z
      .array(
        z.strictObject({
          key: text,
          operator: z.enum(['In', 'Exists', 'Gt']),
          values: z.array(text).optional(),
        }),
      )
      .min(1),
  }),
});

const affinity = z.strictObject({
  nodeAffinity: z.strictObject({
    preferredDuringSchedulingIgnoredDuringExecution: z.array(nodePreference).min(1),
  }),
});

const podOptions = {
  restartPolicy: z.enum(['Always', 'OnFailure', 'Never']).optional(),
  enableServiceLinks: z.boolean().optional(),
  automountServiceAccountToken: z.boolean().optional(),
  serviceAccountName: objectName.optional(),
  terminationGracePeriodSeconds: count.optional(),
  runtimeClassName: objectName.optional(),
  nodeSelector: labels.optional(),
  tolerations: z.array(toleration).optional(),
  affinity: affinity.optional(),
  topologySpreadConstraints: z.array(spread).optional(),
  securityContext: podSecurity.optional(),
  volumes: z.array(volume).optional(),
};

const podSpec = z.strictObject({
  ...podOptions,
  initContainers: z.array(container).optional(),
  containers: z.array(container).min(1),
});

export const podTemplate = z.strictObject({
  metadata: z
    .strictObject({ labels: labels.optional(), annotations: annotations.optional() })
    .optional(),
  spec: podSpec,
});

/** A pod whose image a controller fills in, as KServe's does for the container `main`. */
export const podOverlay = z.strictObject({
  ...podOptions,
  initContainers: z.array(container).optional(),
  containers: z.array(container.extend({ image: image.optional() })).min(1),
});
