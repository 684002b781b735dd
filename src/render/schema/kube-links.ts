import { podsOf, type KubeObject, type Labelled } from './kube-object-rules.ts';
import type { Pod } from './kube-pod-rules.ts';

type Kind<K extends KubeObject['kind']> = Extract<KubeObject, { kind: K }>;

/** References of an object into its file that lead nowhere. */
export function linkFindings(
  object: KubeObject,
  objects: readonly KubeObject[],
  pods: readonly Labelled[],
): string[] {
  if (pods.length === 0) return [];
  switch (object.kind) {
    case 'Service':
      return serviceLinks(object, pods);
    case 'PodDisruptionBudget':
      return selected(object.spec.selector.matchLabels, pods).length > 0 ? [] : [NO_POD];
    case 'NetworkPolicy':
      return policyLinks(object, pods);
    case 'HorizontalPodAutoscaler':
    case 'ScaledObject': {
      const { kind = 'Deployment', name } = object.spec.scaleTargetRef;
      const there = objects.filter((each) => each.kind === kind);
      const found = there.length === 0 || there.some(({ metadata }) => metadata.name === name);
      return found ? [] : [`it scales ${kind} \`${name}\`, which is not there`];
    }
    default:
      return podsOf(object).flatMap(({ pod }) => volumeLinks(pod, objects));
  }
}

const NO_POD = 'no pod has the labels that it selects';

function serviceLinks({ spec }: Kind<'Service'>, pods: readonly Labelled[]): string[] {
  const behind = selected(spec.selector, pods);
  if (behind.length === 0) return [NO_POD];
  return spec.ports
    .map(({ port, targetPort }) => targetPort ?? port)
    .filter((target) => !behind.some(({ pod }) => listensOn(pod, target)))
    .map((target) => `no container behind it has the port ${target}`);
}

function policyLinks({ spec }: Kind<'NetworkPolicy'>, pods: readonly Labelled[]): string[] {
  const inside = selected(spec.podSelector.matchLabels ?? {}, pods);
  if (inside.length === 0) return [NO_POD];
  return (spec.ingress ?? [])
    .flatMap(({ ports = [] }) => ports.flatMap(({ port }) => (port === undefined ? [] : [port])))
    .filter((port) => !inside.some(({ pod }) => listensOn(pod, port)))
    .map((port) => `it lets clients in to ${port}, which no container of the pods has`);
}

/** Claims and settings are the file's own where it has any. */
function volumeLinks(pod: Pod, objects: readonly KubeObject[]): string[] {
  const named = (kind: string) =>
    objects.filter((each) => each.kind === kind).map(({ metadata }) => metadata.name);
  const claims = named('PersistentVolumeClaim');
  const maps = named('ConfigMap');
  return (pod.volumes ?? []).flatMap(({ name, persistentVolumeClaim: claim, configMap: map }) => [
    ...(claim !== undefined && claims.length > 0 && !claims.includes(claim.claimName)
      ? [`volume \`${name}\`: there is no claim \`${claim.claimName}\``]
      : []),
    ...(map !== undefined && maps.length > 0 && !maps.includes(map.name)
      ? [`volume \`${name}\`: there is no ConfigMap \`${map.name}\``]
      : []),
  ]);
}

function listensOn({ containers }: Pod, port: number | string): boolean {
  return containers.some(({ ports = [] }) =>
    ports.some(({ name, containerPort }) => name === port || containerPort === port),
  );
}

/** An empty selector selects every pod. */
function selected(wanted: Labelled['labels'] | undefined, pods: readonly Labelled[]): Labelled[] {
  return pods.filter(({ labels }) =>
    Object.entries(wanted ?? {}).every(([key, value]) => labels[key] === value),
  );
}
