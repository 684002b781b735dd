import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planSchema } from '../contracts/plan.ts';
import { messageOf } from '../errors.ts';
import type { Deployment, Reader, RenderedFile } from '../render/types.ts';
import { closedSchema } from '../validators/closed-schema.ts';
import { composeConfig } from '../validators/compose.ts';
import type { ValidatorContext } from '../validators/context.ts';
import { promtoolConfig, promtoolRules } from '../validators/prometheus.ts';
import { checkQuadlet } from '../validators/quadlet.ts';
import { grafanaDashboard, scalerQueries } from '../validators/queries.ts';
import { checked, wasSkipped, type Report } from '../validators/report.ts';
import { routerPreset } from '../validators/router.ts';
import { shellcheck } from '../validators/shell.ts';
import { systemdSecurity, systemdVerify } from '../validators/systemd.ts';
import { wiringFindings } from './wiring/findings.ts';
import { quadletFindings } from './wiring/quadlet-values.ts';
import { writeFiles } from './write.ts';

export type ReaderContext = ValidatorContext & { readonly platform: NodeJS.Platform };
type Check = (file: string, ctx: ReaderContext) => Promise<readonly Report[]>;

/** Stand-ins for what a user is asked for when it starts: group numbers of a machine that is not this one. */
const COMPOSE_VARIABLES = { VIDEO_GID: '44', RENDER_GID: '992' };

/** Who reads each kind of file. */
export const READERS: Readonly<Record<Reader, string>> = {
  sh: 'shellcheck',
  router: 'llama-server, started as a router',
  compose: 'closed schema, docker-compose config',
  systemd: 'systemd-analyze verify and security',
  quadlet: 'quadlet -dryrun, systemd-analyze verify',
  prometheus: 'promtool check rules',
  'prometheus-config': 'promtool check config',
  plan: 'mmdeploy.plan/v1',
  kubernetes: 'closed schema, rules of the API server, promtool for queries',
  'llama-swap': 'closed schema',
  grafana: 'promtool for queries',
  dockerfile: 'syntax only',
};

/** What each kind of file is shown to before it is given out. */
const CHECKS: Readonly<Record<Reader, Check>> = {
  sh: async (file, ctx) => [await shellcheck(file, ctx)],
  router: async (file, ctx) => [await routerPreset(file, ctx)],
  compose: async (file, ctx) => [
    await closedSchema(file, 'compose'),
    await composeConfig(file, ctx, COMPOSE_VARIABLES),
  ],
  systemd: async (file, ctx) => [await systemdVerify(file, ctx), await systemdSecurity(file, ctx)],
  quadlet: async (file, ctx) => [
    checked('values of podman', quadletFindings(await readFile(file, 'utf8'))),
    ...(await checkQuadlet([file], ctx)),
  ],
  prometheus: async (file, ctx) => [await promtoolRules(file, ctx)],
  'prometheus-config': async (file, ctx) => [await promtoolConfig(file, ctx)],
  plan: async (file) => [await planFile(file)],
  kubernetes: async (file, ctx) => [
    await closedSchema(file, 'kubernetes'),
    ...(await scalerQueries(file, ctx)),
  ],
  'llama-swap': async (file) => [await closedSchema(file, 'llama-swap')],
  grafana: async (file, ctx) => [await grafanaDashboard(file, ctx)],
  dockerfile: unread('nothing reads it without building it'),
};

function unread(reason: string): Check {
  return () => Promise.resolve([{ validator: 'none', skipped: reason }]);
}

async function planFile(file: string): Promise<Report> {
  const validator = 'mmdeploy.plan/v1';
  try {
    const document: unknown = JSON.parse(await readFile(file, 'utf8'));
    const { error } = planSchema.safeParse(document);
    const issues = error?.issues ?? [];
    return checked(
      validator,
      issues.map(({ path, message }) => `${path.join('.')}: ${message}`),
    );
  } catch (error) {
    return checked(validator, [messageOf(error)]);
  }
}

/** What a file's readers said of it. */
export type Validation = {
  /** Each that read it without a complaint, with its version; null: none is here. */
  readonly validatedBy: string | null;
  /** Readers that could not, and why; null: all have. */
  readonly notValidated: string | null;
  readonly findings: readonly string[];
};

/** Shows one file on disk to its readers, and looks whether it wires what the plan needs. */
export async function validate(
  file: string,
  reader: Reader,
  deployment: Deployment,
  ctx: ReaderContext,
): Promise<Validation> {
  const reports = [
    ...(await CHECKS[reader](file, ctx)),
    ...(await wiring(file, reader, deployment)),
  ];
  const made = reports.flatMap((report) => (wasSkipped(report) ? [] : [report]));
  const skipped = reports.flatMap((report) => (wasSkipped(report) ? [report.skipped] : []));
  const good = made.filter(({ ok }) => ok).map(({ validator }) => validator);
  return {
    validatedBy: good.length > 0 ? [...new Set(good)].join(', ') : null,
    notValidated: skipped.length > 0 ? [...new Set(skipped)].join('; ') : null,
    findings: made.flatMap(({ validator, findings }) =>
      findings.map((finding) => `${validator}: ${finding}`),
    ),
  };
}

async function wiring(
  file: string,
  reader: Reader,
  deployment: Deployment,
): Promise<readonly Report[]> {
  const text = await readFile(file, 'utf8');
  try {
    const findings = wiringFindings(reader, text, deployment);
    return findings === null ? [] : [checked('wiring', findings)];
  } catch {
    // What cannot be parsed has been refused by its own reader.
    return [];
  }
}

/** Shows files that are not written yet to their readers, in a folder of their own; in the files' order. */
export async function validateAll(
  files: readonly RenderedFile[],
  deployment: Deployment,
  ctx: ReaderContext,
): Promise<readonly Validation[]> {
  const folder = await mkdtemp(join(tmpdir(), 'mmdeploy-files-'));
  try {
    await writeFiles(folder, files);
    return await Promise.all(
      files.map(({ path, reader }) => validate(join(folder, path), reader, deployment, ctx)),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
