import { headerLines } from '../parts/header.ts';
import type { Deployment, RenderedFile } from '../types.ts';
import { jobName } from './rule.ts';

type Query = readonly [expr: string, legend: string];
type Panel = { readonly title: string; readonly unit: string; readonly queries: readonly Query[] };

const WIDTH = 8;
const HEIGHT = 8;
const PER_ROW = 24 / WIDTH;

/** The dashboard of an engine alone, or the gateway's own, which is shipped as it is. */
export function dashboard(deployment: Deployment, gateway: string): RenderedFile {
  const made =
    deployment.shape === 'gateway'
      ? { ...(JSON.parse(gateway) as object), description: headerLines(deployment).join(' ') }
      : engineDashboard(deployment);
  return {
    path: 'monitoring/grafana-dashboard.json',
    text: `${JSON.stringify(made, null, 2)}\n`,
    reader: 'grafana',
  };
}

function engineDashboard(deployment: Deployment): object {
  const panels = deployment.engine === 'vllm' ? VLLM : LLAMA_CPP;
  const datasource = { type: 'prometheus', uid: '${datasource}' };
  return {
    uid: jobName(deployment).slice(0, 40),
    title: `${deployment.plan.model.name} (${deployment.engine})`,
    description: headerLines(deployment).join(' '),
    tags: ['mmdeploy', deployment.engine],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' },
        {
          ...{ name: 'instance', label: 'Server', type: 'query', datasource },
          query: `label_values(up{job="${jobName(deployment)}"}, instance)`,
          ...{ refresh: 2, includeAll: true, multi: true, allValue: '.*' },
          current: { text: 'All', value: '$__all' },
        },
      ],
    },
    annotations: { list: [] },
    panels: panels.map((panel, index) => panelOf(panel, index, jobName(deployment))),
  };
}

function panelOf({ title, unit, queries }: Panel, index: number, job: string): object {
  const datasource = { type: 'prometheus', uid: '${datasource}' };
  return {
    id: index + 1,
    type: 'timeseries',
    title,
    datasource,
    gridPos: {
      x: (index % PER_ROW) * WIDTH,
      y: Math.floor(index / PER_ROW) * HEIGHT,
      w: WIDTH,
      h: HEIGHT,
    },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: { legend: { showLegend: true, placement: 'bottom', displayMode: 'list' } },
    targets: queries.map(([expr, legendFormat], at) => ({
      refId: String.fromCharCode(65 + at),
      datasource,
      expr: expr.replaceAll('$job', `job="${job}",instance=~"$instance"`),
      legendFormat,
    })),
  };
}

const rate = (metric: string, labels = '') =>
  `sum(rate(${metric}{$job${labels}}[$__rate_interval]))`;
const each = (metric: string) => `sum(${metric}{$job})`;
const UP: Panel = { title: 'Answers', unit: 'none', queries: [['up{$job}', '{{instance}}']] };

const LLAMA_CPP: readonly Panel[] = [
  UP,
  {
    title: 'Requests',
    unit: 'none',
    queries: [
      [each('llamacpp:requests_processing'), 'in work'],
      [each('llamacpp:requests_deferred'), 'waiting'],
    ],
  },
  {
    title: 'Busy slots per step',
    unit: 'none',
    queries: [['llamacpp:n_busy_slots_per_decode{$job}', '{{instance}}']],
  },
  {
    title: 'Tokens a second',
    unit: 'none',
    queries: [
      [rate('llamacpp:prompt_tokens_total'), 'prompt'],
      [rate('llamacpp:prompt_tokens_cached_total'), 'cached'],
      [rate('llamacpp:tokens_predicted_total'), 'answer'],
    ],
  },
  {
    title: 'Time in prompts and answers',
    unit: 'percentunit',
    queries: [
      [rate('llamacpp:prompt_seconds_total'), 'prompts and images'],
      [rate('llamacpp:tokens_predicted_seconds_total'), 'answers'],
    ],
  },
  {
    title: 'Speed while at it',
    unit: 'none',
    queries: [
      [
        `${rate('llamacpp:prompt_tokens_total')} / ${rate('llamacpp:prompt_seconds_total')}`,
        'prompt tokens a second',
      ],
      [
        `${rate('llamacpp:tokens_predicted_total')} / ${rate('llamacpp:tokens_predicted_seconds_total')}`,
        'answer tokens a second',
      ],
    ],
  },
  {
    title: 'Longest sequence so far',
    unit: 'none',
    queries: [['llamacpp:n_tokens_max{$job}', '{{instance}}']],
  },
  { title: 'Steps', unit: 'ops', queries: [[rate('llamacpp:n_decode_total'), 'steps']] },
];

const quantiles = (metric: string): readonly Query[] =>
  [0.5, 0.95, 0.99].map((q) => [
    `histogram_quantile(${q}, sum by (le) (rate(${metric}_bucket{$job}[$__rate_interval])))`,
    `p${q * 100}`,
  ]);

const VLLM: readonly Panel[] = [
  UP,
  {
    title: 'Requests',
    unit: 'none',
    queries: [
      [each('vllm:num_requests_running'), 'in work'],
      [each('vllm:num_requests_waiting'), 'waiting'],
    ],
  },
  {
    title: 'Ended',
    unit: 'reqps',
    queries: [
      [
        'sum by (finished_reason) (rate(vllm:request_success_total{$job}[$__rate_interval]))',
        '{{finished_reason}}',
      ],
    ],
  },
  { title: 'First token', unit: 's', queries: quantiles('vllm:time_to_first_token_seconds') },
  { title: 'Between tokens', unit: 's', queries: quantiles('vllm:inter_token_latency_seconds') },
  { title: 'Whole request', unit: 's', queries: quantiles('vllm:e2e_request_latency_seconds') },
  {
    title: 'KV cache',
    unit: 'percentunit',
    queries: [['vllm:kv_cache_usage_perc{$job}', '{{instance}}']],
  },
  {
    title: 'Prompts found in the cache',
    unit: 'percentunit',
    queries: [
      [
        `${rate('vllm:prefix_cache_hits_total')} / ${rate('vllm:prefix_cache_queries_total')}`,
        'of the tokens',
      ],
    ],
  },
  {
    title: 'Put off',
    unit: 'ops',
    queries: [[rate('vllm:num_preemptions_total'), 'sequences']],
  },
  {
    title: 'Tokens a second',
    unit: 'none',
    queries: [
      [rate('vllm:prompt_tokens_total'), 'prompt'],
      [rate('vllm:generation_tokens_total'), 'answer'],
    ],
  },
];
