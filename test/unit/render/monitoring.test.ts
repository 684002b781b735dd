import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadEngineCatalogue } from '../../../src/engine/catalogue.ts';
import { everyGatewayMetric } from '../../helpers/gateway-metrics.ts';
import { monitored, seriesIn, seriesOf } from '../../helpers/monitoring.ts';
import { planFor, rendered } from '../../helpers/deployments.ts';

describe('what watches a deployment', () => {
  it('is written only where asked for, beside the plan', async () => {
    const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: ['L40S'] });
    const without = await rendered(plan, ['compose']);
    expect(without.files.map(({ path }) => path)).not.toContain('monitoring/alerts.yml');
    const { files } = await monitored('llama.cpp');
    const watching = files.filter(({ path }) => path.startsWith('monitoring/'));
    expect(watching.map(({ path, target }) => [path, target])).toEqual([
      ['monitoring/alerts.yml', null],
      ['monitoring/prometheus.yml', null],
      ['monitoring/grafana-dashboard.json', null],
    ]);
  });

  it('is refused where a scrape would start the engine', async () => {
    const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: ['L40S'] });
    const options = { monitoring: true };
    await expect(rendered(plan, ['models-ini', 'llama-swap'], options)).rejects.toThrow(
      /`models-ini,llama-swap` starts engines when they are asked for, and Prometheus would ask/,
    );
    const { files } = await rendered(plan, ['llama-swap', 'compose'], options);
    expect(files.map(({ path }) => path)).toContain('monitoring/alerts.yml');
  });

  it('asks the gateway for nothing that it does not count', async () => {
    const made = await monitored('llama.cpp', { shape: 'gateway' });
    const there = seriesIn(await everyGatewayMetric());
    const asked = seriesOf(made);
    expect(asked.filter((name) => !there.has(name) && name !== 'mmdeploy_build_info')).toEqual([]);
    expect(asked).toContain('mmdeploy_queue_refused_total');
    expect(asked.filter((name) => !name.startsWith('mmdeploy_'))).toEqual([]);
  });

  it('asks vLLM for what its documentation names, and for all that the catalogue lists', async () => {
    const { vllm } = await loadEngineCatalogue();
    const asked = seriesOf(await monitored('vllm'));
    expect([...asked].sort()).toEqual([...vllm.metrics].sort());
  });

  it.each([
    ['llama.cpp', {}],
    ['llama.cpp', { shape: 'gateway' }],
    ['vllm', {}],
  ] as const)('says of %s with %o how bad it is and what helps', async (engine, options) => {
    const { rules, deployment } = await monitored(engine, options);
    expect(rules.length).toBeGreaterThan(6);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { expr, labels, annotations } of rules) {
      expect(labels).toEqual({
        severity: expect.stringMatching(/^(critical|warning)$/),
        deployment: deployment.name,
      });
      expect(expr).toContain(`job="mmdeploy-${deployment.name}"`);
      expect(annotations['summary']).toMatch(/\w/);
      expect(annotations['description']).toMatch(/\.$/);
    }
  });

  it('knows the plan: its slots, its context and how long a start takes', async () => {
    const { rules, deployment } = await monitored('llama.cpp');
    const { slots, contextPerSlot } = deployment.plan.settings ?? {};
    const rule = (name: string) => rules.find(({ alert }) => alert === name);
    expect(rule('LlamaCppQueue')?.expr).toMatch(new RegExp(`>= ${slots}$`));
    expect(rule('LlamaCppContextFull')?.annotations['summary']).toContain(
      `of the ${contextPerSlot}`,
    );
    expect(rule('MmdeployNotStarted')).toMatchObject({ for: `${deployment.startSeconds}s` });
  });

  it('finds the deployment: its address, or its pods', async () => {
    const jobOf = (text: string) =>
      (parse(text) as { scrape_configs: Record<string, unknown>[] }).scrape_configs[0];
    const listen = { host: '0.0.0.0', port: 9000 };
    const { text } = await monitored('llama.cpp', { listen });
    expect(jobOf(text('monitoring/prometheus.yml'))).toMatchObject({
      static_configs: [{ targets: ['127.0.0.1:9000'] }],
    });
    const six = await monitored('llama.cpp', { listen: { host: 'fd00::1', port: 9000 } });
    expect(six.text('monitoring/prometheus.yml')).toContain('"[fd00::1]:9000"');
    const pods = await monitored('llama.cpp', {}, 'kubernetes');
    const kubernetes = pods.text('kubernetes.yaml');
    const job = jobOf(pods.text('monitoring/prometheus.yml'));
    expect(job).toMatchObject({ kubernetes_sd_configs: [{ role: 'pod' }] });
    expect(JSON.stringify(job)).toContain('__meta_kubernetes_pod_label_app_kubernetes_io_name');
    expect(JSON.stringify(job)).toContain('"replacement":"$1:8080"');
    expect(kubernetes).toContain('containerPort: 8080\n');
    expect(kubernetes).toContain(`app.kubernetes.io/name: ${pods.deployment.name}\n`);
  });
});
