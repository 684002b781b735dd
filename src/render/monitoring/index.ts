import type { Deployment, RenderedFile } from '../types.ts';
import { alertRules } from './alerts.ts';
import { dashboard } from './dashboard.ts';
import { scrapeConfig } from './scrape.ts';

/**
 * What watches a deployment (`--with monitoring`): alert rules, a Prometheus that reads them and it, and a
 * dashboard. `gateway` is the text of the gateway's own.
 */
export function monitoringFiles(
  deployment: Deployment,
  targets: readonly string[],
  gateway: string,
): readonly RenderedFile[] {
  return [
    alertRules(deployment),
    scrapeConfig(deployment, targets),
    dashboard(deployment, gateway),
  ];
}
