import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/serve/observe/metrics.ts';
import { watch } from '../../src/serve/observe/watched.ts';
import { mmdeploy } from '../helpers/cli.ts';

const page = readFileSync('docs/serving.md', 'utf8');
/** Names in code marks, so that `--max` is not found in `--max-body`. */
const named = new Set([...page.matchAll(/`([^`\n]+)`/g)].map(([, name = '']) => name));
/** prom-client's own, which differ by platform: the page names the two families. */
const PROCESS = /^mmdeploy_(process|nodejs)_/;

function metricNames(): readonly string[] {
  const { registry } = createMetrics('1.2.3', () => undefined);
  const never = () => {
    throw new Error('names only: nothing is read');
  };
  watch(registry, {
    engine: { engine: null, life: 0 },
    schedule: never,
    store: never,
    gpus: never,
  });
  return registry.getMetricsAsArray().map(({ name }) => name);
}

describe('docs/serving.md', () => {
  it('names every flag of `mmdeploy serve`', async () => {
    const { stdout } = await mmdeploy(['serve', '--help']);
    const flags = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag = '']) => flag);
    expect(flags).toEqual(expect.arrayContaining(['--plan', '--queue', '--gpu', '--output']));
    expect(flags.filter((flag) => !named.has(flag))).toEqual([]);
  });

  it('names no flag in its table that `mmdeploy serve` does not have', async () => {
    const { stdout } = await mmdeploy(['serve', '--help']);
    const rows = page.split('\n').filter((line) => line.startsWith('| `--'));
    const told = rows.flatMap((row) => (row.split('|')[1] ?? '').match(/--[a-z-]+/g) ?? []);
    expect(told.length).toBeGreaterThan(0);
    expect(told.filter((flag) => !new RegExp(`${flag}(?![a-z-])`).test(stdout))).toEqual([]);
  });

  it('names every metric, and none that there is not', () => {
    const metrics = metricNames().filter((name) => !PROCESS.test(name));
    expect(metrics).toContain('mmdeploy_gpu_memory_used_bytes');
    expect(metrics.filter((name) => !named.has(name))).toEqual([]);
    const told = [...named].filter((name) => /^mmdeploy_[a-z_]+$/.test(name));
    expect(told.filter((name) => !metrics.includes(name))).toEqual([]);
    expect(named).toContain('mmdeploy_process_*');
    expect(named).toContain('mmdeploy_nodejs_*');
  });
});
