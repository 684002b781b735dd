import { parse } from 'yaml';
import type { EngineName } from '../../src/contracts/basis.ts';
import { planFor, rendered, type Rendered } from './deployments.ts';

export type Rules = {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly annotations: Readonly<Record<string, string>>;
    }[];
  }[];
};

/** A deployment with what watches it. */
export async function monitored(
  engine: EngineName,
  options: Parameters<typeof rendered>[2] = {},
  target: 'compose' | 'kubernetes' = 'compose',
): Promise<Rendered & { readonly rules: Rules['groups'][number]['rules'] }> {
  const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: ['L40S'], engine });
  const made = await rendered(plan, [target], { ...options, monitoring: true });
  const { groups } = parse(made.text('monitoring/alerts.yml')) as Rules;
  return { ...made, rules: groups.flatMap(({ rules }) => rules) };
}

/** Series that the rules and the dashboard ask for. */
export function seriesOf({
  rules,
  text,
}: Awaited<ReturnType<typeof monitored>>): readonly string[] {
  const dashboard = text('monitoring/grafana-dashboard.json');
  const asked = `${rules.map(({ expr }) => expr).join('\n')}\n${dashboard}`;
  return [
    ...new Set([...asked.matchAll(/\b(?:mmdeploy_|llamacpp:|vllm:)\w+/g)].map(([name]) => name)),
  ];
}

/** Series that a `/metrics` answer has or, of a histogram, would have. */
export function seriesIn(metrics: string): ReadonlySet<string> {
  const types = [...metrics.matchAll(/^# TYPE (\S+) (\w+)$/gm)];
  return new Set(
    types.flatMap(([, name = '', kind]) =>
      kind === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name],
    ),
  );
}
