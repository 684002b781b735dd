import { join, resolve } from 'node:path';
import type { DeploymentManifest, DeploymentOptionsRecord } from '../contracts/deployment.ts';
import { DEPLOYMENT_SCHEMA } from '../contracts/deployment.ts';
import type { DeploymentPlan } from '../contracts/plan.ts';
import { MmdeployError } from '../errors.ts';
import { changedFiles, writeFiles } from '../deploy/write.ts';
import { gpuGroups } from '../deploy/groups.ts';
import { linkedFiles } from '../deploy/links.ts';
import { MANIFEST_FILE, manifestThere, sha256 } from '../deploy/manifest.ts';
import { validateAll, type ReaderContext, type Validation } from '../deploy/validate.ts';
import type { TargetId } from '../render/target-names.ts';
import type { Deployment } from '../render/types.ts';
import { findValidators } from '../validators/find.ts';
import type { Context } from './context.ts';
import { listEngines } from './engine.ts';
import { render, type Rendered, type TargetFile } from './render-deployment.ts';

export type DeployRequest = {
  readonly plan: DeploymentPlan;
  readonly targets: readonly TargetId[];
  readonly options: Omit<DeploymentOptionsRecord, 'targets' | 'groups' | 'links'>;
  /** Folder of the files; null: nothing is written. */
  readonly folder: string | null;
  readonly force: boolean;
  readonly version: string;
  /** The command line, as a shell reads it. */
  readonly command: string;
};

export type Deployed = Omit<Rendered, 'deployment'> & { readonly manifest: DeploymentManifest };

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
    links: request.options.modelsDir === null ? await linkedFiles(request.plan) : [],
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

function manifestOf(
  { version, command }: DeployRequest,
  options: DeploymentOptionsRecord,
  { files, deployment }: Rendered,
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

/** The readers that are on this machine, and its engine. */
export async function readerContext(ctx: Context): Promise<ReaderContext> {
  const [validators, { choice }] = await Promise.all([
    findValidators(ctx),
    listEngines(ctx, { flag: null, gpus: [] }),
  ]);
  return { ...ctx, validators, llamaServer: choice.kind === 'none' ? null : choice.engine.path };
}

/** Nothing is given out that its own reader refuses. */
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
