import type { Deployment } from '../types.ts';

/** One alert. `description` says in a sentence or two what to look at and what helps. */
export type Alert = {
  readonly alert: string;
  readonly expr: string;
  /** How long it has to hold: `5m`. */
  readonly for: string;
  /** `critical`: clients see it now; `warning`: they will, or some do. */
  readonly severity: 'critical' | 'warning';
  readonly summary: string;
  readonly description: string;
};

/** Name of the scrape job: what the rules and the dashboard of one deployment go by. */
export function jobName({ name }: Pick<Deployment, 'name'>): string {
  return `mmdeploy-${name}`;
}

/** `{job="…"}`, with more matchers where given. */
export function ofJob(deployment: Pick<Deployment, 'name'>, ...matchers: string[]): string {
  return `{${[`job="${jobName(deployment)}"`, ...matchers].join(',')}}`;
}

/** The first above `times` the second, the same over a shorter and a longer time: no figure of ours is in it. */
export function worseThanYesterday(worse: string, usual: string, times: number): string {
  return `${worse} > ${times} * ${usual}`;
}

/** A quantile of a histogram over `range`, of each instance. */
export function quantile(q: number, buckets: string, range: string): string {
  return `histogram_quantile(${q}, sum by (le, instance) (rate(${buckets}[${range}])))`;
}
