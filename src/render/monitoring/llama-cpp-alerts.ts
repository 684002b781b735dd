import type { Deployment } from '../types.ts';
import { ofJob, worseThanYesterday, type Alert } from './rule.ts';

/** What llama-server counts itself (`--metrics`). It counts no errors and sees no card. */
export function llamaCppAlerts(deployment: Deployment): readonly Alert[] {
  return [...requests(deployment), ...engine(deployment), ...context(deployment)];
}

function requests(deployment: Deployment): readonly Alert[] {
  const job = ofJob(deployment);
  const { slots = 1 } = deployment.plan.settings ?? {};
  return [
    {
      alert: 'LlamaCppQueue',
      expr: `llamacpp:requests_deferred${job} >= ${slots}`,
      for: '5m',
      severity: 'warning',
      summary: `{{ $value }} requests wait for one of ${slots} slots`,
      description:
        'As many wait as are answered. More slots need more memory: `mmdeploy plan` with `--users` says ' +
        'what holds them, on this machine or on several.',
    },
    {
      alert: 'LlamaCppStuck',
      expr: `llamacpp:requests_processing${job} > 0 and increase(llamacpp:n_decode_total${job}[15m]) == 0`,
      for: '15m',
      severity: 'critical',
      summary: 'requests are in work and nothing is decoded',
      description:
        'Not one step in a quarter of an hour, which no image takes. The driver or the engine hangs: see ' +
        "the kernel's log for the card's errors, then start the engine again.",
    },
  ];
}

function engine(deployment: Deployment): readonly Alert[] {
  const job = ofJob(deployment);
  const speed = (range: string) =>
    `rate(llamacpp:prompt_tokens_total${job}[${range}]) / rate(llamacpp:prompt_seconds_total${job}[${range}])`;
  return [
    {
      alert: 'LlamaCppSlowPrompts',
      expr: worseThanYesterday(speed('1d'), `(${speed('15m')})`, 2),
      for: '15m',
      severity: 'warning',
      summary: 'prompts and images take twice the time of the last day',
      description:
        'Larger images do it, and so do a hot card, another program on it, and layers that went to the CPU.',
    },
    {
      alert: 'LlamaCppRestarts',
      expr: `resets(llamacpp:n_decode_total${job}[1h]) > 2`,
      for: '1m',
      severity: 'warning',
      summary: 'the engine began anew {{ $value }} times within an hour',
      description:
        'Each time everything that it kept is lost. See what its log ends with; where it was out of memory, ' +
        'cap the images or plan with fewer slots.',
    },
  ];
}

/** A largest value that only a start of the engine resets: told for an hour after it was reached. */
function context(deployment: Deployment): readonly Alert[] {
  const { contextPerSlot = 0 } = deployment.plan.settings ?? {};
  if (contextPerSlot === 0) return [];
  const most = `llamacpp:n_tokens_max${ofJob(deployment)}`;
  const near = Math.floor(contextPerSlot * 0.98);
  return [
    {
      alert: 'LlamaCppContextFull',
      expr: `${most} >= ${near} unless ${most} offset 1h >= ${near}`,
      for: '1m',
      severity: 'warning',
      summary: `a request came to {{ $value }} of the ${contextPerSlot} tokens of a slot`,
      description:
        'Longer ones are refused, and answers that reach it end. Plan with more `--context`, or cap the ' +
        'images with `--image-max-tokens`.',
    },
  ];
}
