import { CONTAINER_PORT } from '../parts/container.ts';
import { selector } from '../parts/kube-objects.ts';
import { yamlText } from '../parts/yaml.ts';
import type { Deployment, RenderedFile } from '../types.ts';
import { jobName } from './rule.ts';

/** Targets whose pods Prometheus has to find. */
const IN_CLUSTER: ReadonlySet<string> = new Set(['kubernetes', 'kserve', 'lws']);

/** Set by LeaderWorkerSet's controller, as Prometheus spells it; empty on other pods. */
const WORKER_INDEX = '__meta_kubernetes_pod_label_leaderworkerset_sigs_k8s_io_worker_index';

/** A Prometheus that reads the deployment and the rules beside it; its job belongs into one that is there. */
export function scrapeConfig(deployment: Deployment, targets: readonly string[]): RenderedFile {
  const inCluster = targets.some((target) => IN_CLUSTER.has(target));
  const document = {
    global: { scrape_interval: '15s', evaluation_interval: '15s' },
    rule_files: ['alerts.yml'],
    scrape_configs: [
      {
        job_name: jobName(deployment),
        metrics_path: '/metrics',
        ...(inCluster
          ? podsOf(deployment, targets.includes('kserve'))
          : { static_configs: [{ targets: [at(deployment)] }] }),
      },
    ],
  };
  return {
    path: 'monitoring/prometheus.yml',
    text: yamlText(deployment, [document]),
    reader: 'prometheus-config',
  };
}

/** An address that means every interface is no address to ask. */
function at({ listen: { host, port } }: Deployment): string {
  const local = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return local.includes(':') ? `[${local}]:${port}` : `${local}:${port}`;
}

/** KServe's own `--port` (config/llmisvcconfig/config-llm-template.yaml). */
const KSERVE_PORT = 8000;

/**
 * The pods of the deployment, by the label that every kind of it has, and of those what listens: a router beside
 * them, and the workers of a group over several machines, are no targets that are down.
 */
function podsOf(deployment: Deployment, kserve: boolean): object {
  const [label = ''] = Object.keys(selector(deployment));
  const meta = `__meta_kubernetes_pod_label_${label.replaceAll(/[^a-zA-Z0-9]/g, '_')}`;
  const port = kserve ? KSERVE_PORT : CONTAINER_PORT;
  return {
    kubernetes_sd_configs: [{ role: 'pod' }],
    relabel_configs: [
      { source_labels: [meta], regex: deployment.name, action: 'keep' },
      { source_labels: [WORKER_INDEX], regex: '0?', action: 'keep' },
      {
        source_labels: ['__meta_kubernetes_pod_container_port_number'],
        regex: String(port),
        action: 'keep',
      },
      { source_labels: ['__meta_kubernetes_pod_phase'], regex: 'Running', action: 'keep' },
      {
        source_labels: ['__meta_kubernetes_pod_ip'],
        target_label: '__address__',
        replacement: `$1:${port}`,
      },
      { source_labels: ['__meta_kubernetes_pod_name'], target_label: 'instance' },
    ],
  };
}
