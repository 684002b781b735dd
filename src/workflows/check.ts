import { join, resolve } from 'node:path';
import type { CheckedFile, CheckReport } from '../contracts/check.ts';
import { CHECK_SCHEMA } from '../contracts/check.ts';
import type { DeployedFileRecord, DeploymentManifest } from '../contracts/deployment.ts';
import type { DeploymentPlan } from '../contracts/plan.ts';
import { differences } from '../deploy/differences.ts';
import { MANIFEST_FILE, manifestThere, sha256 } from '../deploy/manifest.ts';
import { validate, type ReaderContext } from '../deploy/validate.ts';
import { textThere } from '../deploy/write.ts';
import { MmdeployError } from '../errors.ts';
import { planDigest } from '../render/deployment.ts';
import { TARGET_NAMES, type TargetId } from '../render/target-names.ts';
import type { Deployment } from '../render/types.ts';
import type { Context } from './context.ts';
import { readerContext } from './deploy.ts';
import { PLAN_FILE, render, type TargetFile } from './render-deployment.ts';
import { readPlan } from './plan-file.ts';

export type CheckRequest = { readonly folder: string; readonly version: string };

/**
 * The files of a deployment beside what its plan gives: what is missing, what was changed by hand, what
 * this version would write otherwise, and what each reader says now. Throws `file.missing` for a folder
 * without a manifest, `input.invalid` for one that cannot be read, `plan.invalid`.
 */
export async function checkWorkflow(request: CheckRequest, ctx: Context): Promise<CheckReport> {
  const folder = resolve(ctx.cwd, request.folder);
  const manifest = await readManifest(folder);
  const plan = await planOf(folder, manifest);
  const { files: wanted, deployment } = await render({
    plan,
    targets: knownTargets(folder, manifest),
    options: manifest.options,
    version: request.version,
    command: manifest.command,
  });
  const readers = await readerContext(ctx);
  const files = await Promise.all(
    manifest.files.map((record) =>
      checkFile(folder, record, wanted.find(({ path }) => path === record.path) ?? null, {
        deployment,
        readers,
      }),
    ),
  );
  return {
    schema: CHECK_SCHEMA,
    folder,
    madeBy: manifest.madeBy,
    checkedBy: `mmdeploy ${request.version}`,
    planUnchanged: planDigest(plan) === manifest.plan,
    files,
    drifted: files.some(({ state, findings }) => state !== 'unchanged' || findings.length > 0),
  };
}

async function checkFile(
  folder: string,
  { path, target, sha256: written }: DeployedFileRecord,
  wanted: TargetFile | null,
  { deployment, readers }: { deployment: Deployment; readers: ReaderContext },
): Promise<CheckedFile> {
  const file = join(folder, path);
  const text = await textThere(file);
  if (text === null) {
    const nothing = { differences: [], validatedBy: null, notValidated: null, findings: [] };
    return { path, target, state: 'missing', ...nothing };
  }
  const changed = sha256(text) !== written;
  const outdated = wanted !== null && wanted.text !== text;
  const validation =
    wanted === null
      ? { validatedBy: null, notValidated: 'no longer written', findings: [] }
      : await validate(file, wanted.reader, deployment, readers);
  return {
    path,
    target,
    state: changed ? 'changed' : outdated ? 'outdated' : 'unchanged',
    differences: wanted === null ? [] : [...differences(wanted.text, text)],
    ...validation,
    findings: [...validation.findings],
  };
}

/** The deployment's own plan: what is to be written anew is the deployment, not just a plan. */
async function planOf(folder: string, { command }: DeploymentManifest): Promise<DeploymentPlan> {
  try {
    return await readPlan(join(folder, PLAN_FILE));
  } catch (error) {
    if (!(error instanceof MmdeployError)) throw error;
    const force = command.includes(' --force') ? '' : ' --force';
    throw new MmdeployError(error.code, error.message, {
      hints: [`write the deployment anew: \`${command}${force}\``],
      cause: error,
    });
  }
}

function knownTargets(
  folder: string,
  { options, madeBy }: DeploymentManifest,
): readonly TargetId[] {
  return options.targets.map((name) => {
    const id = TARGET_NAMES.find((each) => each === name);
    if (id !== undefined) return id;
    const file = join(folder, MANIFEST_FILE);
    throw new MmdeployError(
      'input.invalid',
      `\`${file}\` (${madeBy}) has the target \`${name}\`, which this version does not know`,
      {
        hints: [
          `write it anew with targets of this version (${TARGET_NAMES.join(', ')}): ` +
            '`mmdeploy plan MODEL --target NAMES --write DIR --force`',
        ],
      },
    );
  });
}

async function readManifest(folder: string): Promise<DeploymentManifest> {
  const manifest = await manifestThere(folder);
  if (manifest !== null) return manifest;
  const message = `\`${folder}\` holds no deployment: there is no ${MANIFEST_FILE}`;
  throw new MmdeployError('file.missing', message, {
    hints: ['write one: `mmdeploy plan MODEL --target NAMES --write DIR`'],
  });
}
