import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { everyGatewayMetric } from '../../../helpers/gateway-metrics.ts';

const Place = z.object({
  x: z.number().int().min(0),
  y: z.number().int().min(0),
  w: z.number().int().min(1),
  h: z.number().int().min(1),
});
const Datasource = z.object({ type: z.literal('prometheus'), uid: z.literal('${datasource}') });
const Target = z.object({ refId: z.string(), expr: z.string().min(1), datasource: Datasource });
const Panel = z.object({
  id: z.number().int(),
  type: z.enum(['row', 'stat', 'timeseries']),
  title: z.string().min(1),
  gridPos: Place,
  datasource: Datasource.optional(),
  targets: z.array(Target).default([]),
});
const Dashboard = z.object({
  uid: z.string().regex(/^[a-z0-9-]{1,40}$/),
  title: z.string().min(1),
  panels: z.array(Panel).min(1),
  templating: z.object({ list: z.array(z.object({ name: z.string() })) }),
});

/** Metrics that stand in no panel: all of them prom-client's own, each with the reason. */
const NOT_SHOWN: readonly [RegExp, string][] = [
  [/^process_cpu_(user|system)_seconds_total$/, 'their sum is shown'],
  [/^process_(start_time_seconds|virtual_memory_bytes|heap_bytes)$/, 'resident memory is shown'],
  [/^process_(open|max)_fds$/, 'every connection is a request in flight, which is shown'],
  [/^nodejs_active_(resources|handles|requests)(_total)?$/, 'internals of Node'],
  [/^nodejs_(heap|external|gc)_/, 'what a collector does shows in memory and delay'],
  [/^nodejs_version_info$/, 'follows from the version of mmdeploy and its image'],
];

const PREFIX = 'mmdeploy_';
const source = readFileSync(
  new URL('../../../../profiles/dashboards/gateway.json', import.meta.url),
);
const { panels, ...dashboard } = Dashboard.parse(JSON.parse(source.toString()));
const expressions = panels.flatMap(({ title, targets }) =>
  targets.map(({ expr }): [string, string] => [title, expr]),
);
const registered = await everyMetric();

/** Kind of each metric, by name, of a server that has all parts. */
async function everyMetric(): Promise<ReadonlyMap<string, string>> {
  const text = await everyGatewayMetric();
  return new Map(
    [...text.matchAll(/^# TYPE mmdeploy_(\w+) (\w+)$/gm)].map(([, name = '', kind = '']) => [
      name,
      kind,
    ]),
  );
}

/** The metric that the name of a series belongs to; null where the registry has none. */
function metricOf(series: string): { name: string; kind: string } | null {
  const kind = registered.get(series);
  // A histogram has no series of its own name.
  if (kind !== undefined) return kind === 'histogram' ? null : { name: series, kind };
  const name = series.replace(/_(bucket|sum|count)$/, '');
  return name !== series && registered.get(name) === 'histogram'
    ? { name, kind: 'histogram' }
    : null;
}

function seriesIn(expression: string): string[] {
  return [...expression.matchAll(/\bmmdeploy_(\w+)/g)].map(([, name = '']) => name);
}

/** What is wrong with the brackets and quotes of an expression; null when nothing is. */
function imbalance(expression: string): string | null {
  const closers: Readonly<Record<string, string>> = { '(': ')', '{': '}', '[': ']' };
  const open: string[] = [];
  const bare = expression.replace(/"(?:[^"\\]|\\.)*"/g, '');
  if (bare.includes('"')) return 'a quote is not closed';
  for (const letter of bare) {
    const closer = closers[letter];
    if (closer !== undefined) open.push(closer);
    else if (')}]'.includes(letter) && open.pop() !== letter) return `an odd ${letter}`;
  }
  return open.length === 0 ? null : `no ${open.join('')}`;
}

type Area = z.infer<typeof Place>;

function overlap(a: Area, b: Area): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

describe('the dashboard', () => {
  it.each(expressions)('%s: asks for metrics that a server has: %s', (_title, expression) => {
    const series = seriesIn(expression);
    expect(series).not.toEqual([]);
    expect(series.filter((name) => metricOf(name) === null)).toEqual([]);
    expect(imbalance(expression)).toBeNull();
  });

  it.each(expressions)('%s: takes rates of what only grows: %s', (_title, expression) => {
    const rated = [...expression.matchAll(/\b(?:i?rate|increase)\(([^){]*)/g)].map(
      ([, of = '']) => of,
    );
    const kinds = rated.map((of) => metricOf(of.replace(PREFIX, ''))?.kind);
    for (const kind of kinds) expect(['counter', 'histogram']).toContain(kind);
    const quantiles = /histogram_quantile\([\d.]+, sum by \(le\b/.test(expression);
    expect(quantiles).toBe(expression.includes('_bucket{'));
  });

  it.each(expressions)('%s: is of the chosen servers: %s', (_title, expression) => {
    const chosen = expression.split('{instance=~"$instance"').length - 1;
    expect(chosen).toBe(seriesIn(expression).length);
  });

  it('shows every metric of a server, or says why not', () => {
    const shown = new Set(
      expressions.flatMap(([, expression]) =>
        seriesIn(expression).map((series) => metricOf(series)?.name),
      ),
    );
    const missing = [...registered.keys()].filter((name) => !shown.has(name));
    const isExcused = (name: string): boolean => NOT_SHOWN.some(([names]) => names.test(name));
    expect(missing.filter((name) => !isExcused(name))).toEqual([]);
    expect([...shown].filter((name) => name !== undefined && isExcused(name))).toEqual([]);
    for (const [names] of NOT_SHOWN) expect(missing.some((name) => names.test(name))).toBe(true);
  });

  it('asks only for variables that it has', () => {
    const known = dashboard.templating.list.map(({ name }) => name);
    const asked = [...source.toString().matchAll(/\$\{?(\w+)/g)].map(([, name = '']) => name);
    const strange = asked.filter((name) => !name.startsWith('__') && !known.includes(name));
    expect(strange).toEqual([]);
  });

  it('has a place of its own for each panel', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(panels.filter(({ gridPos }) => gridPos.x + gridPos.w > 24)).toEqual([]);
    const overlaps = panels.flatMap((panel, index) =>
      panels
        .slice(index + 1)
        .filter((other) => overlap(panel.gridPos, other.gridPos))
        .map((other) => [panel.title, other.title]),
    );
    expect(overlaps).toEqual([]);
  });

  it('can be told wrong by the checks above', () => {
    expect(metricOf('request_seconds')).toBeNull();
    expect(metricOf('requests_total_bucket')).toBeNull();
    expect(metricOf('request_seconds_bucket')?.kind).toBe('histogram');
    expect(imbalance('sum(a{b="("}[5m]')).toBe('no )');
    expect(imbalance('sum(a{b="c})')).toBe('a quote is not closed');
    expect(imbalance('sum(a{b="c")}')).toBe('an odd )');
    expect(overlap({ x: 0, y: 0, w: 8, h: 8 }, { x: 7, y: 7, w: 8, h: 8 })).toBe(true);
    expect(overlap({ x: 0, y: 0, w: 8, h: 8 }, { x: 8, y: 0, w: 8, h: 8 })).toBe(false);
  });
});
