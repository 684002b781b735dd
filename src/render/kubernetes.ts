import { dockerfile } from './dockerfile.ts';
import { autoscaling } from './parts/autoscaling.ts';
import { containerProcess, gatewayPlan } from './parts/container.ts';
import { FETCH_SCRIPT, fetchContainer, fetchVolume } from './parts/fetch.ts';
import {
  disruptionBudget,
  labels,
  MONITORING_NAMESPACE,
  networkPolicy,
  podAnnotations,
  selector,
  service,
  volumeClaim,
} from './parts/kube-objects.ts';
import { engineContainer, POD_DEFAULTS, podNotes, podSecurity, volumes } from './parts/pod.ts';
import { placement } from './parts/pod-resources.ts';
import { noImage } from './parts/refusals.ts';
import { weightBytes } from './parts/weights.ts';
import { yamlText } from './parts/yaml.ts';
import { PRE_STOP_SECONDS, stopSeconds } from './parts/stop-times.ts';
import type { Deployment, RenderedFile } from './types.ts';
import { defineTarget } from './types.ts';

const FILE = 'kubernetes.yaml';
/** A disk that fills over a line of 160 Mbit/s. */
const SLOW_DOWNLOAD = 20e6;
const LEAST_PROGRESS_SECONDS = 600;

/** Plain Kubernetes: a Deployment of the engine, or of the gateway with the engine in it. */
export const kubernetes = defineTarget({
  id: 'kubernetes',
  fetchesModel: true,
  title: 'Kubernetes: Deployment, Service, volume, network policy; autoscaling with KEDA',
  refuses: noImage,
  render: (deployment) => {
    const files: RenderedFile[] = [
      {
        path: FILE,
        text: yamlText(deployment, objects(deployment), notes(deployment)),
        reader: 'kubernetes',
      },
      autoscaling(deployment),
    ];
    if (deployment.shape === 'gateway') files.push(dockerfile(deployment));
    return files;
  },
  start: (deployment) => [
    ...applied(deployment),
    `kubectl rollout status deployment/${deployment.name}`,
    `kubectl port-forward service/${deployment.name} ${deployment.listen.port}`,
  ],
});

function notes(deployment: Deployment): readonly string[] {
  return [
    '',
    ...podNotes(deployment),
    `Requests come from the same namespace, metrics are read from \`${MONITORING_NAMESPACE}\`: who else may, the`,
    'NetworkPolicy has to say.',
  ];
}

/** The gateway's image is the user's own: every cluster pulls from another registry. */
function applied({ shape, images }: Deployment): readonly string[] {
  if (shape === 'engine') return [`kubectl apply --filename ${FILE}`];
  const pushed = `REGISTRY/${images.gateway}`;
  return [
    `docker build --tag ${pushed} . && docker push ${pushed}`,
    `sed 's#image: ${images.gateway}#image: ${pushed}#' ${FILE} | kubectl apply --filename -`,
  ];
}

function objects(deployment: Deployment): readonly object[] {
  return [
    volumeClaim(deployment, claimOf(deployment)),
    ...configMaps(deployment),
    workload(deployment),
    service(deployment),
    networkPolicy(deployment),
    ...disruptionBudget(deployment),
  ];
}

function claimOf({ name, engine }: Deployment): string {
  return `${name}-${engine === 'vllm' ? 'cache' : 'models'}`;
}

function configMaps(deployment: Deployment): readonly object[] {
  const { file, target } = gatewayPlan(deployment);
  const plan = { [target.replace(/^.*\//, '')]: file.text };
  return [
    ...(deployment.shape === 'gateway' ? [configMap(deployment, 'plan', plan)] : []),
    ...(deployment.engine === 'vllm' ? [] : [configMap(deployment, 'fetch', FETCH_SCRIPT)]),
  ];
}

function configMap(
  deployment: Deployment,
  what: string,
  data: Readonly<Record<string, string>>,
): object {
  const metadata = { name: `${deployment.name}-${what}`, labels: labels(deployment) };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
}

function workload(deployment: Deployment): object {
  const { name, scale } = deployment;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels: labels(deployment) },
    spec: {
      replicas: scale.replicas,
      // No GPU is spare while another pod still holds it.
      strategy:
        scale.replicas === 1
          ? { type: 'Recreate' }
          : { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
      progressDeadlineSeconds: progressSeconds(deployment),
      revisionHistoryLimit: 3,
      selector: { matchLabels: selector(deployment) },
      template: {
        metadata: { labels: labels(deployment), annotations: podAnnotations(deployment) },
        spec: podSpec(deployment),
      },
    },
  };
}

function podSpec(deployment: Deployment): object {
  return {
    ...POD_DEFAULTS,
    securityContext: podSecurity(deployment),
    ...placement(deployment),
    terminationGracePeriodSeconds: PRE_STOP_SECONDS + stopSeconds(deployment),
    ...(deployment.engine === 'vllm' ? {} : { initContainers: [fetchContainer(deployment)] }),
    containers: [engineContainer(deployment, containerProcess(deployment))],
    volumes: [
      ...volumes(deployment, claimOf(deployment)),
      ...(deployment.engine === 'vllm' ? [] : [fetchVolume(`${deployment.name}-fetch`)]),
    ],
  };
}

/** From an empty volume to an engine that answers: a rollout counts as stuck after it. */
function progressSeconds({ plan, startSeconds, engine }: Deployment): number {
  const download = engine === 'vllm' ? 0 : Math.ceil(weightBytes(plan) / SLOW_DOWNLOAD);
  return Math.max(LEAST_PROGRESS_SECONDS, startSeconds + download);
}
