import type { Deployment, RenderedFile } from '../types.ts';
import { yamlText } from '../parts/yaml.ts';
import { gatewayAlerts } from './gateway-alerts.ts';
import { llamaCppAlerts } from './llama-cpp-alerts.ts';
import { jobName, ofJob, type Alert } from './rule.ts';
import { vllmAlerts } from './vllm-alerts.ts';

/** Prometheus rules for what answers `/metrics`: the gateway, or the engine alone. */
export function alertRules(deployment: Deployment): RenderedFile {
  const rules = alertsOf(deployment).map(({ alert, expr, for: held, severity, ...texts }) => ({
    alert,
    expr,
    for: held,
    labels: { severity, deployment: deployment.name },
    annotations: texts,
  }));
  const document = { groups: [{ name: jobName(deployment), rules }] };
  return {
    path: 'monitoring/alerts.yml',
    text: yamlText(deployment, [document]),
    reader: 'prometheus',
  };
}

function alertsOf(deployment: Deployment): readonly Alert[] {
  const own = { gateway: gatewayAlerts, 'llama.cpp': llamaCppAlerts, vllm: vllmAlerts };
  const source = deployment.shape === 'gateway' ? 'gateway' : deployment.engine;
  return [...reachable(deployment), ...own[source](deployment)];
}

/** Whatever it is that answers: it does, and it has begun to. */
function reachable(deployment: Deployment): readonly Alert[] {
  const up = `up${ofJob(deployment)}`;
  return [
    {
      alert: 'MmdeployDown',
      expr: `${up} == 0 and max_over_time(${up}[1d]) == 1`,
      for: '2m',
      severity: 'critical',
      summary: '{{ $labels.instance }} does not answer',
      description:
        'It did within the last day. See whether it runs and what its log ends with; out of memory is the ' +
        'most frequent end. It is started again by itself.',
    },
    {
      alert: 'MmdeployNotStarted',
      expr: `${up} == 0 unless max_over_time(${up}[1d]) == 1`,
      for: `${deployment.startSeconds}s`,
      severity: 'warning',
      summary: '{{ $labels.instance }} has not started in the time that its size takes',
      description:
        'Reading the weights from a slow disk takes less. See its log: a file that is not there, a flag ' +
        'that this engine has not, a card that is not wired.',
    },
    {
      alert: 'MmdeployNotScraped',
      expr: `absent(up${ofJob(deployment)})`,
      for: '10m',
      severity: 'warning',
      summary: `nothing is known of ${jobName(deployment)}`,
      description:
        'Prometheus has no such job: see its configuration, and the other alerts say nothing.',
    },
  ];
}
