import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DeploymentManifest, DeploymentOptionsRecord } from '../contracts/deployment.ts';
import { DEPLOYMENT_SCHEMA, deploymentSchema } from '../contracts/deployment.ts';
import type { DeploymentPlan } from '../contracts/plan.ts';
import { MmdeployError, messageOf } from '../errors.ts';
import { changedFiles, textThere, writeFiles } from '../deploy/write.ts';
import { gpuGroups } from '../deploy/groups.ts';
import { validateAll, type ReaderContext, type Validation } from '../deploy/validate.ts';
import { loadEngineCatalogue, type EngineCatalogue } from '../engine/catalogue.ts';
import { deploymentOf, planText } from '../render/deployment.ts';
import { hostFiles, type HostFile } from '../render/parts/host.ts';
import { monitoringFiles } from '../render/monitoring/index.ts';
import { renderTarget, targets } from '../render/index.ts';
import { type TargetId } from '../render/target-names.ts';
import type { Deployment, EngineRelease, Images, RenderedFile, Target } from '../render/types.ts';
import { findValidators } from '../validators/find.ts';
import type { Context } from './context.ts';
import { listEngines } from './engine.ts';

export type DeployRequest = {
  readonly plan: DeploymentPlan;
  readonly targets: readonly TargetId[];
  readonly options: Omit<DeploymentOptionsRecord, 'targets' | 'groups'>;
  /** Folder of the files; null: nothing is written. */
  readonly folder: string | null;
  readonly force: boolean;
  readonly version: string;
  /** The command line, as a shell reads it. */
  readonly command: string;
};

/** A file of a deployment with the target that it belongs to; null: the plan, and what watches them all. */
export type TargetFile = RenderedFile & { readonly target: TargetId | null };

export type Deployed = {
  readonly manifest: DeploymentManifest;
  readonly files: readonly TargetFile[];
  /** What brings each file of the model that is not here to where the targets look for it. */
  readonly before: readonly HostFile[];
  /** Commands that start each target. */
  readonly start: readonly { readonly target: TargetId; readonly commands: readonly string[] }[];
};

export const PLAN_FILE = 'plan.json';
export const MANIFEST_FILE = 'mmdeploy.json';

/**
 * The deployment files of a plan, written to `folder` unless that is null. Throws `fit.none`,
 * `usage.invalid` for a target that cannot be, `deployment.exists` for files that would be lost,
 * `deployment.invalid` where their own reader refuses them.
 */
export async function deployWorkflow(request: DeployRequest, ctx: Context): Promise<Deployed> {
  const options = {
    ...request.options,
    targets: [...request.targets],
    groups: await groupsOf(request),
  };
  const made = await render({ ...request, options });
  const validations = await validateAll(made.files, made.deployment, await readerContext(ctx));
  refuseInvalid(made.files, validations);
  const manifest = manifestOf(request, options, made, validations);
  const { files, start, before } = made;
  const deployed = { manifest, files, start, before };
  if (request.folder === null) return deployed;
  const folder = resolve(ctx.cwd, request.folder);
  const record = { path: MANIFEST_FILE, text: `${JSON.stringify(manifest, null, 2)}\n` };
  if (!request.force) {
    await refuseOtherTargets(folder, request.targets);
    refuseLoss(folder, await changedFiles(folder, made.files));
  }
  // The manifest says that all the others are there.
  await writeFiles(folder, [...made.files, record]);
  return deployed;
}

/** Group numbers are this machine's: of another, its user is asked when it starts. */
async function groupsOf({ plan }: DeployRequest): Promise<Deployment['groups']> {
  return plan.machine.origin === 'detected' ? gpuGroups() : null;
}

export type RenderRequest = Pick<DeployRequest, 'plan' | 'version' | 'command'> & {
  readonly options: DeploymentOptionsRecord;
  readonly targets: readonly TargetId[];
};

/** What every target of the request renders. Throws as `deploymentOf`. */
export async function deploymentFor({
  plan,
  options,
  version,
  command,
}: Omit<RenderRequest, 'targets'>): Promise<Deployment> {
  const catalogue = await loadEngineCatalogue();
  return deploymentOf(plan, {
    ...options,
    version: `mmdeploy ${version}`,
    command,
    images: (accelerator, engine) => imagesOf(catalogue, accelerator, engine, version),
    release: (engine) => releaseOf(catalogue, engine),
  });
}

/** All files of a deployment, in memory; each path once, whoever of the targets made it. */
export async function render(
  request: RenderRequest,
): Promise<Omit<Deployed, 'manifest'> & { readonly deployment: Deployment }> {
  const deployment = await deploymentFor(request);
  const files = new Map<string, TargetFile>();
  for (const target of request.targets) {
    for (const file of renderTarget(target, deployment)) {
      if (!files.has(file.path)) files.set(file.path, { ...file, target });
    }
  }
  if (request.options.monitoring) {
    const watched = monitoringFiles(deployment, request.targets, await gatewayDashboard());
    for (const file of watched) files.set(file.path, { ...file, target: null });
  }
  const text = planText(request.plan);
  files.set(PLAN_FILE, { path: PLAN_FILE, text, reader: 'plan', target: null });
  const start = request.targets.map((target) => ({
    target,
    commands: (targets[target] as Target).start(deployment),
  }));
  return { deployment, files: [...files.values()], start, before: toBring(deployment, request) };
}

const GATEWAY_DASHBOARD = fileURLToPath(
  new URL('../../profiles/dashboards/gateway.json', import.meta.url),
);

/** The gateway's dashboard as it is shipped. */
function gatewayDashboard(): Promise<string> {
  return readFile(GATEWAY_DASHBOARD, 'utf8');
}

function releaseOf(
  { llamaCpp, vllm }: EngineCatalogue,
  engine: 'llama.cpp' | 'vllm',
): EngineRelease {
  if (engine === 'vllm') return { version: vllm.images.version, build: null, flags: [] };
  const { version, build } = llamaCpp.images;
  return { version, build, flags: llamaCpp.flags };
}

function toBring(
  deployment: Deployment,
  { plan, targets: ids }: RenderRequest,
): readonly HostFile[] {
  if (ids.every((id) => (targets[id] as Target).fetchesModel === true)) return [];
  const planned = [plan.files.model, plan.files.mmproj];
  return hostFiles(deployment).filter((_, index) => planned[index]?.path === null);
}

function imagesOf(
  { llamaCpp, vllm, images }: EngineCatalogue,
  accelerator: string,
  engine: 'llama.cpp' | 'vllm',
  version: string,
): Images {
  const { repository, tags, program, version: released } = llamaCpp.images;
  const tag = tags[accelerator]?.replace('{version}', released);
  const llama = tag === undefined ? null : `${repository}:${tag}`;
  return {
    engine:
      engine === 'vllm'
        ? (vllm.images.tags[accelerator]?.replace('{version}', vllm.images.version) ?? null)
        : llama,
    gateway: `mmdeploy:${version}`,
    program,
    node: images.node,
    fetch: images.fetch,
  };
}

function manifestOf(
  { version, command }: DeployRequest,
  options: DeploymentOptionsRecord,
  { files, deployment }: { files: readonly TargetFile[]; deployment: Deployment },
  validations: readonly Validation[],
): DeploymentManifest {
  return {
    schema: DEPLOYMENT_SCHEMA,
    madeBy: `mmdeploy ${version}`,
    command,
    plan: deployment.origin.planDigest,
    options,
    files: files.map(({ path, text, target }, index) => ({
      path,
      target,
      bytes: Buffer.byteLength(text),
      sha256: sha256(text),
      validatedBy: validations[index]?.validatedBy ?? null,
      notValidated: validations[index]?.notValidated ?? null,
    })),
  };
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** What was written to a folder; null where nothing was. Throws `input.invalid` for a file that is no manifest. */
export async function manifestThere(folder: string): Promise<DeploymentManifest | null> {
  const file = join(folder, MANIFEST_FILE);
  const text = await textThere(file);
  if (text === null) return null;
  try {
    return deploymentSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new MmdeployError('input.invalid', `\`${file}\` is no manifest: ${messageOf(error)}`, {
      hints: ['write it anew: `mmdeploy plan MODEL --target NAMES --write DIR --force`'],
      cause: error,
    });
  }
}

/** The readers that are on this machine, and its engine. */
export async function readerContext(ctx: Context): Promise<ReaderContext> {
  const [validators, { choice }] = await Promise.all([
    findValidators(ctx),
    listEngines(ctx, { flag: null, gpus: [] }),
  ]);
  return { ...ctx, validators, llamaServer: choice.kind === 'none' ? null : choice.engine.path };
}

/** A file of ours that its own reader refuses is a bug of ours: nothing of it is given out. */
function refuseInvalid(files: readonly TargetFile[], validations: readonly Validation[]): void {
  const details = validations.flatMap(({ findings }, index) =>
    findings.map((finding) => `${files[index]?.path ?? ''}: ${finding}`),
  );
  if (details.length === 0) return;
  throw new MmdeployError('deployment.invalid', 'the files are refused by who would read them', {
    details,
    hints: [
      '`mmdeploy doctor` lists the engines here: an old one may not know what the plan says',
      'else it is a bug of mmdeploy: report it with the command and the lines above',
    ],
  });
}

/** The manifest is of one deployment: of files that it no longer names, nobody would see what becomes. */
async function refuseOtherTargets(folder: string, asked: readonly TargetId[]): Promise<void> {
  const there = await manifestThere(folder);
  const others = (there?.options.targets ?? []).filter((id) => !asked.some((each) => each === id));
  if (others.length === 0) return;
  const all = [...others, ...asked].join(',');
  throw new MmdeployError(
    'deployment.exists',
    `\`${folder}\` holds a deployment with \`--target ${others.join(',')}\``,
    { hints: [`write both at once, with \`--target ${all}\``, 'or write to another folder'] },
  );
}

function refuseLoss(folder: string, changed: readonly string[]): void {
  if (changed.length === 0) return;
  throw new MmdeployError(
    'deployment.exists',
    `${changed.map((path) => `\`${join(folder, path)}\``).join(', ')} would be replaced`,
    {
      hints: [
        `see what differs: \`mmdeploy check ${folder}\``,
        'replace them: the same command with `--force`, or write to another folder',
      ],
    },
  );
}
