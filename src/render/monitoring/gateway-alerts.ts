import type { Deployment } from '../types.ts';
import { ofJob, quantile, worseThanYesterday, type Alert } from './rule.ts';

/** What `mmdeploy serve` counts (docs/serving.md). */
export function gatewayAlerts(deployment: Deployment): readonly Alert[] {
  return [...service(deployment), ...engine(deployment), ...machine(deployment)];
}

function service(deployment: Deployment): readonly Alert[] {
  const job = ofJob(deployment);
  const answers = (...matchers: string[]) =>
    `sum by (instance) (rate(mmdeploy_requests_total${ofJob(deployment, ...matchers)}[5m]))`;
  return [
    {
      alert: 'MmdeployErrors',
      expr: `${answers('status=~"5.."')} / ${answers()} > 0.05`,
      for: '5m',
      severity: 'critical',
      summary: '{{ $value | humanizePercentage }} of the answers are 5xx',
      description:
        '`mmdeploy_request_errors_total` has the reasons, the log each of them. A full queue answers 503.',
    },
    {
      alert: 'MmdeployQueueRefuses',
      expr: `rate(mmdeploy_queue_refused_total${job}[5m]) > 0`,
      for: '5m',
      severity: 'warning',
      summary: 'the queue is full: requests are refused',
      description:
        'Clients are told when to come again. `mmdeploy plan` with `--users` says what holds them all.',
    },
    {
      alert: 'MmdeployQueue',
      expr: `mmdeploy_queue_requests${job} >= mmdeploy_slots${job}`,
      for: '5m',
      severity: 'warning',
      summary: '{{ $value }} requests wait for a slot',
      description: 'As many wait as are answered: see which stage takes the time.',
    },
  ];
}

function engine(deployment: Deployment): readonly Alert[] {
  const job = ofJob(deployment);
  const encode = `mmdeploy_stage_seconds_bucket${ofJob(deployment, 'stage="encode"')}`;
  return [
    {
      alert: 'MmdeployEngineDown',
      // It is down too while it sleeps, and then nobody waits.
      expr: `mmdeploy_engine_up${job} == 0 and mmdeploy_requests_in_flight${job} > 0`,
      for: '2m',
      severity: 'critical',
      summary: 'requests wait and the engine does not answer',
      description: 'The gateway starts it again by itself: its log says why that does not help.',
    },
    {
      alert: 'MmdeployEngineRestarts',
      expr: `increase(mmdeploy_engine_restarts_total${job}[1h]) > 3`,
      for: '1m',
      severity: 'warning',
      summary: 'the engine was started {{ $value | humanize }} times within an hour',
      description:
        'Wake-ups count too. See `mmdeploy_troubles_total` and the log for what ended it; an image that ' +
        'ends it every time is put aside.',
    },
    {
      alert: 'MmdeployEncodeSlow',
      expr: worseThanYesterday(quantile(0.95, encode, '15m'), quantile(0.95, encode, '1d'), 2),
      for: '15m',
      severity: 'warning',
      summary:
        'encoding takes twice the time of the last day (p95 {{ $value | humanizeDuration }})',
      description:
        'Larger images do it (`--image-max-tokens` caps them), and so do a hot card and another program on it.',
    },
    {
      alert: 'MmdeployMissedHits',
      expr: `increase(mmdeploy_missed_hits_total${job}[1h]) > 0.1 * increase(mmdeploy_encodes_total${job}[1h])`,
      for: '30m',
      severity: 'warning',
      summary: 'media that a slot should have held are encoded again',
      description:
        'The engine dropped what it was to keep: answers are right, and slower than they need be.',
    },
  ];
}

function machine(deployment: Deployment): readonly Alert[] {
  const job = ofJob(deployment);
  return [
    {
      alert: 'MmdeployGpuMemoryFull',
      expr: `mmdeploy_gpu_memory_used_bytes${job} / mmdeploy_gpu_memory_total_bytes${job} > 0.98`,
      for: '10m',
      severity: 'warning',
      summary: 'GPU {{ $labels.gpu }} is {{ $value | humanizePercentage }} full',
      description:
        'The next large image may end the engine. See what else is on the card, cap the images, or plan ' +
        'with fewer slots.',
    },
    {
      alert: 'MmdeployStoreNotOnDisk',
      expr: `increase(mmdeploy_media_store_writes_total${ofJob(deployment, 'place!="disk"')}[15m]) > 0`,
      for: '15m',
      severity: 'warning',
      summary: 'prepared media go to {{ $labels.place }}, not to the disk',
      description:
        'The disk of `--media-path` is full or cannot be written: requests are answered without it.',
    },
  ];
}
