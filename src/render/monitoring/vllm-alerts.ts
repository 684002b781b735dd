import type { Deployment } from '../types.ts';
import { ofJob, quantile, worseThanYesterday, type Alert } from './rule.ts';

/** What vLLM counts (docs/usage/metrics.md; names are held against the catalogue's list). */
export function vllmAlerts(deployment: Deployment): readonly Alert[] {
  return [...load(deployment), ...answers(deployment), ...engine(deployment)];
}

function load(deployment: Deployment): readonly Alert[] {
  const job = ofJob(deployment);
  const slots = deployment.plan.settings?.slots ?? 1;
  return [
    {
      alert: 'VllmQueue',
      expr: `vllm:num_requests_waiting${job} >= ${slots}`,
      for: '5m',
      severity: 'warning',
      summary: `{{ $value }} requests wait, and ${slots} are answered at once`,
      description:
        'As many wait as are answered. `mmdeploy plan` with `--users` says how many copies hold them.',
    },
    {
      alert: 'VllmCacheFull',
      expr: `vllm:kv_cache_usage_perc${job} > 0.95 and rate(vllm:num_preemptions_total${job}[10m]) > 0`,
      for: '10m',
      severity: 'warning',
      summary: 'the KV cache is full and sequences are put off',
      description:
        'What is put off is computed again. Fewer `--max-num-seqs`, an FP8 cache, or another copy helps.',
    },
  ];
}

function answers(deployment: Deployment): readonly Alert[] {
  const ended = (...matchers: string[]) =>
    `sum by (instance) (rate(vllm:request_success_total${ofJob(deployment, ...matchers)}[10m]))`;
  return [
    {
      alert: 'VllmErrors',
      expr: `${ended('finished_reason="error"')} / ${ended()} > 0.01`,
      for: '10m',
      severity: 'critical',
      summary: '{{ $value | humanizePercentage }} of the requests end in an error',
      description: 'See the log of {{ $labels.instance }}.',
    },
    {
      alert: 'VllmClientsLeave',
      expr: `${ended('finished_reason="abort"')} / ${ended()} > 0.2`,
      for: '10m',
      severity: 'warning',
      summary:
        '{{ $value | humanizePercentage }} of the clients leave before their answer is there',
      description: 'It takes them too long: see the queue and the time to the first token.',
    },
  ];
}

function engine(deployment: Deployment): readonly Alert[] {
  const job = ofJob(deployment);
  const firstToken = `vllm:time_to_first_token_seconds_bucket${job}`;
  return [
    {
      alert: 'VllmSlowFirstToken',
      expr: worseThanYesterday(
        quantile(0.95, firstToken, '15m'),
        quantile(0.95, firstToken, '1d'),
        2,
      ),
      for: '15m',
      severity: 'warning',
      summary:
        'the first token takes twice the time of the last day (p95 {{ $value | humanizeDuration }})',
      description:
        'Images are fetched, prepared and encoded before it: see whether they became larger, whether the ' +
        'CPUs are busy, and the queue.',
    },
    {
      alert: 'VllmRestarts',
      expr: `resets(vllm:generation_tokens_total${job}[1h]) > 2`,
      for: '1m',
      severity: 'warning',
      summary: 'vLLM began anew {{ $value }} times within an hour',
      description: 'See what its log ends with: memory of the card, or of the host.',
    },
  ];
}
