import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import type { EngineName } from '../../src/contracts/basis.ts';
import { runCommand } from '../../src/process/run.ts';
import { promtoolConfig, promtoolRules } from '../../src/validators/prometheus.ts';
import { grafanaDashboard } from '../../src/validators/queries.ts';
import { demoPlan } from '../../src/workflows/serve-model.ts';
import { rendered } from '../helpers/deployments.ts';
import { startLlama } from '../helpers/llama.ts';
import { monitored, seriesIn, seriesOf } from '../helpers/monitoring.ts';
import { serveContext } from '../helpers/serve-context.ts';
import { temporaryFolder } from '../helpers/serve-supervisor.ts';
import { made, validatorContext } from '../helpers/validators.ts';

const { promtool } = inject('validators');
const engine = inject('llamaServer');

async function written(name: EngineName, options: Parameters<typeof monitored>[1] = {}) {
  const watching = await monitored(name, options);
  const folder = temporaryFolder();
  for (const { path, text } of watching.files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const at = (file: string) => join(folder, 'monitoring', file);
  return { ...watching, at, job: `mmdeploy-${watching.deployment.name}` };
}

const KINDS = [
  ['llama.cpp', {}],
  ['llama.cpp', { shape: 'gateway' }],
  ['vllm', {}],
] as const;

describe.skipIf(promtool === null)('promtool', () => {
  it.each(KINDS)('takes all files of %s with %o', async (name, options) => {
    const { at } = await written(name, options);
    const ctx = validatorContext();
    const reports = [
      await promtoolRules(at('alerts.yml'), ctx),
      await promtoolConfig(at('prometheus.yml'), ctx),
      await grafanaDashboard(at('grafana-dashboard.json'), ctx),
    ];
    for (const report of reports) expect(made(report)).toMatchObject({ ok: true, findings: [] });
  });

  it('finds a configuration whose rules are not there', async () => {
    const { at, text } = await written('llama.cpp');
    const broken = text('monitoring/prometheus.yml').replace('alerts.yml', 'alert.yml');
    writeFileSync(at('prometheus.yml'), broken);
    const { findings } = made(await promtoolConfig(at('prometheus.yml'), validatorContext()));
    expect(findings.join()).toMatch(/alert\.yml/);
  });

  type Case = {
    readonly series: Readonly<Record<string, string>>;
    /** Minutes with the alerts that stand then. */
    readonly at: Readonly<Record<number, readonly string[]>>;
  };

  /** Lets Prometheus itself judge made-up series, a value a minute. */
  async function judged(
    name: EngineName,
    options: Parameters<typeof monitored>[1],
    { series, at: expected }: Case,
  ) {
    const { at, rules, job } = await written(name, options);
    const file = at('test.yml');
    const query = 'count by (alertname) (ALERTS{alertstate="firing"})';
    const document = {
      rule_files: ['alerts.yml'],
      evaluation_interval: '1m',
      tests: [
        {
          interval: '1m',
          input_series: Object.entries(series).map(([text, values]) => ({
            series: text.replace('$job', `job="${job}",instance="a:1"`),
            values,
          })),
          promql_expr_test: Object.entries(expected).map(([minute, alerts]) => ({
            expr: query,
            eval_time: `${minute}m`,
            exp_samples: alerts.map((alertname) => ({
              labels: `{alertname="${alertname}"}`,
              value: 1,
            })),
          })),
        },
      ],
    };
    for (const alert of Object.values(expected).flat()) {
      expect(rules.map((rule) => rule.alert)).toContain(alert);
    }
    writeFileSync(file, stringify(document));
    const result = await runCommand(promtool?.path ?? '', ['test', 'rules', file], {
      timeoutMs: 60_000,
    });
    expect(`${result.stdout}${result.stderr}`).toMatch(/SUCCESS/);
    expect(result.code).toBe(0);
  }

  it('would call when what answered does no more, and not at a first start', async () => {
    await judged(
      'llama.cpp',
      {},
      {
        series: { 'up{$job}': '1x10 0x30' },
        at: { 10: [], 12: [], 14: ['MmdeployDown'] },
      },
    );
    const { deployment } = await monitored('llama.cpp');
    const minutes = Math.ceil(deployment.startSeconds / 60);
    await judged(
      'llama.cpp',
      {},
      {
        series: { 'up{$job}': '0x60' },
        at: { [minutes - 1]: [], [minutes + 1]: ['MmdeployNotStarted'] },
      },
    );
  });

  it('would call for a queue, and for a request on which nothing is done', async () => {
    await judged(
      'llama.cpp',
      {},
      {
        series: {
          'up{$job}': '1x60',
          'llamacpp:requests_deferred{$job}': '0x10 9x50',
          'llamacpp:requests_processing{$job}': '4x60',
          'llamacpp:n_decode_total{$job}': '0+100x20 2000x40',
        },
        at: { 14: [], 18: ['LlamaCppQueue'], 58: ['LlamaCppQueue', 'LlamaCppStuck'] },
      },
    );
  });

  it('would not call for an engine that sleeps, but for one that is waited for', async () => {
    const gateway = { shape: 'gateway' } as const;
    await judged('llama.cpp', gateway, {
      series: {
        'up{$job}': '1x40',
        'mmdeploy_engine_up{$job}': '1x5 0x35',
        'mmdeploy_requests_in_flight{$job}': '0x20 2x20',
      },
      at: { 19: [], 30: ['MmdeployEngineDown'] },
    });
  });

  it('would call for answers that fail, refused requests and a card that is full', async () => {
    await judged(
      'llama.cpp',
      { shape: 'gateway' },
      {
        series: {
          'up{$job}': '1x40',
          'mmdeploy_requests_total{$job,route="/v1/chat/completions",status="200"}': '0+60x40',
          'mmdeploy_requests_total{$job,route="/v1/chat/completions",status="503"}': '0x10 0+6x30',
          'mmdeploy_queue_refused_total{$job}': '0x10 0+6x30',
          'mmdeploy_gpu_memory_used_bytes{$job,gpu="0",name="a card"}': '90x10 99x30',
          'mmdeploy_gpu_memory_total_bytes{$job,gpu="0",name="a card"}': '100x40',
        },
        at: {
          10: [],
          30: ['MmdeployErrors', 'MmdeployGpuMemoryFull', 'MmdeployQueueRefuses'],
        },
      },
    );
  });

  it('would call for vLLM when its cache is full and its clients leave', async () => {
    await judged(
      'vllm',
      {},
      {
        series: {
          'up{$job}': '1x60',
          'vllm:kv_cache_usage_perc{$job}': '0.5x10 0.99x50',
          'vllm:num_preemptions_total{$job}': '0x10 0+3x50',
          'vllm:request_success_total{$job,finished_reason="stop"}': '0+60x60',
          'vllm:request_success_total{$job,finished_reason="abort"}': '0x10 0+60x50',
          'vllm:num_requests_waiting{$job}': '0x60',
        },
        at: { 10: [], 50: ['VllmCacheFull', 'VllmClientsLeave'] },
      },
    );
  });
});

describe.skipIf(engine === null)('the installed engine', () => {
  it('counts everything that rules and dashboard of llama.cpp ask for', async () => {
    const plan = await demoPlan(['none'], serveContext().ctx);
    const { deployment } = await rendered(plan, []);
    const llama = await startLlama(engine ?? '', [
      ...(deployment.plan.engine?.args ?? []).filter(
        (arg, index, all) =>
          !/^--(host|port)$/.test(arg) && !/^--(host|port)$/.test(all[index - 1] ?? ''),
      ),
      '--metrics',
    ]);
    onTestFinished(llama.stop);
    const response = await fetch(`${llama.url}/metrics`);
    const there = seriesIn(await response.text());
    const asked = seriesOf(await monitored('llama.cpp'));
    expect(asked.length).toBeGreaterThan(8);
    expect(asked.filter((name) => !there.has(name))).toEqual([]);
  });
});
