import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../errors.ts';
import { yamlDocuments } from './closed-schema.ts';
import { skippedWithout } from './context.ts';
import type { ValidatorContext } from './context.ts';
import { promtoolRules } from './prometheus.ts';
import { checked, wasSkipped } from './report.ts';
import type { Report } from './report.ts';

const VALIDATOR = 'promtool queries';

/**
 * promtool on PromQL that stands in other files than its own, as in KEDA's triggers and Grafana's panels:
 * each becomes a rule of a file of ours. A finding is the query with what promtool says of it.
 */
async function promtoolQueries(queries: readonly string[], ctx: ValidatorContext): Promise<Report> {
  const tool = ctx.validators.promtool;
  if (tool === null) return skippedWithout('promtool', VALIDATOR);
  const folder = await mkdtemp(join(tmpdir(), 'mmdeploy-queries-'));
  try {
    const file = join(folder, 'rules.yml');
    const unique = [...new Set(queries)];
    const rules = unique.map((expr, index) => ({ record: `query:${index}`, expr }));
    // JSON is YAML.
    await writeFile(file, JSON.stringify({ groups: [{ name: 'queries', rules }] }));
    const report = await promtoolRules(file, ctx);
    if (wasSkipped(report)) return report;
    const named = report.findings.map((line) => withQuery(line.replace(`${file}: `, ''), unique));
    return checked(`promtool ${tool.version} queries`, [...new Set(named)]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** promtool counts rules from one. */
function withQuery(line: string, queries: readonly string[]): string {
  const rule = /\brule (\d+), "query:\d+": (.*)/.exec(line);
  const query = queries[Number(rule?.[1]) - 1];
  return query === undefined ? line : `\`${query}\`: ${rule?.[2] ?? line}`;
}

const scaledSchema = z.object({
  kind: z.literal('ScaledObject'),
  spec: z.object({
    triggers: z.array(
      z.object({ type: z.literal('prometheus'), metadata: z.object({ query: z.string() }) }),
    ),
  }),
});

/** promtool on what KEDA asks Prometheus in a file of Kubernetes objects; empty where it asks nothing. */
export async function scalerQueries(
  file: string,
  ctx: ValidatorContext,
): Promise<readonly Report[]> {
  // What cannot be parsed has been refused by its schema.
  const documents = await yamlDocuments(file).catch(() => []);
  const queries = documents.flatMap((document) => {
    const { data } = scaledSchema.safeParse(document);
    return (data?.spec.triggers ?? []).map(({ metadata }) => metadata.query);
  });
  return queries.length === 0 ? [] : [await promtoolQueries(queries, ctx)];
}

const variableName = /\$(?:\{(\w+)(?::\w+)?\}|(\w+))/g;
/** What Grafana fills in itself; the first three are lengths of time. */
const SPANS = ['__rate_interval', '__interval', '__range'];
const BUILT_IN = [...SPANS, '__all', '__from', '__to', '__name', '__value'];

const panelSchema = z.object({
  title: z.string().min(1),
  targets: z.array(z.object({ expr: z.string().min(1) })).default([]),
});
const dashboardSchema = z.object({
  title: z.string().min(1),
  panels: z.array(panelSchema.extend({ panels: z.array(panelSchema).default([]) })).min(1),
  templating: z.object({ list: z.array(z.object({ name: z.string().min(1) })) }).optional(),
});

/**
 * A Grafana dashboard: titles, panels and queries are where Grafana looks for them, every variable is one of
 * the dashboard's, and promtool takes each query. Grafana itself is not asked.
 */
export async function grafanaDashboard(file: string, ctx: ValidatorContext): Promise<Report> {
  let text: string;
  let dashboard: z.infer<typeof dashboardSchema>;
  try {
    text = await readFile(file, 'utf8');
    dashboard = dashboardSchema.parse(JSON.parse(text));
  } catch (error) {
    const issues = error instanceof z.ZodError ? error.issues : null;
    const findings = issues?.map(({ path, message }) => `${path.join('.')}: ${message}`);
    return checked(VALIDATOR, findings ?? [messageOf(error)]);
  }
  const known = new Set([
    ...BUILT_IN,
    ...(dashboard.templating?.list ?? []).map(({ name }) => name),
  ]);
  const used = [...text.matchAll(variableName)].map(([, braced, plain]) => braced ?? plain ?? '');
  const unknown = [...new Set(used)].filter((name) => !known.has(name));
  const lost = unknown.map((name) => `no variable of the dashboard is called \`${name}\``);
  const panels = dashboard.panels.flatMap((panel) => [panel, ...panel.panels]);
  const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => filledIn(expr)));
  const report = await promtoolQueries(queries, ctx);
  if (wasSkipped(report)) return lost.length === 0 ? report : checked(VALIDATOR, lost);
  return checked(report.validator, [...lost, ...report.findings]);
}

/** As Grafana would ask: spans of time become one, other variables stand in strings and may stay. */
function filledIn(expr: string): string {
  return expr.replaceAll(variableName, (whole, braced?: string, plain?: string) =>
    SPANS.includes(braced ?? plain ?? '') ? '5m' : whole,
  );
}
