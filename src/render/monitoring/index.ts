import type { Deployment, RenderedFile } from '../types.ts';
import { MmdeployError } from '../../errors.ts';
import { alertRules } from './alerts.ts';
import { dashboard } from './dashboard.ts';
import { scrapeConfig } from './scrape.ts';

/** They start an engine when it is asked for: a scrape asks, and would load it and put another out. */
const ON_DEMAND: ReadonlySet<string> = new Set(['models-ini', 'llama-swap']);

/**
 * What watches a deployment (`--with monitoring`): alert rules, a Prometheus that reads them and it, and a
 * dashboard. `gateway` is the text of the gateway's own. Throws `usage.invalid` where nothing runs all the time.
 */
export function monitoringFiles(
  deployment: Deployment,
  targets: readonly string[],
  gateway: string,
): readonly RenderedFile[] {
  if (targets.every((target) => ON_DEMAND.has(target))) throw onDemand(targets);
  return [
    alertRules(deployment),
    scrapeConfig(deployment, targets),
    dashboard(deployment, gateway),
  ];
}

function onDemand(targets: readonly string[]): MmdeployError {
  return new MmdeployError(
    'usage.invalid',
    `\`--with monitoring\` has nothing to watch: \`${targets.join(',')}\` starts engines when they are asked for, and Prometheus would ask`,
    {
      hints: [
        'what runs all the time can be watched: `--target llama-server` or `--target compose`',
      ],
    },
  );
}
