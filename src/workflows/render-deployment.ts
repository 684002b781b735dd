import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { DeploymentOptionsRecord } from '../contracts/deployment.ts';
import type { DeploymentPlan } from '../contracts/plan.ts';
import { loadEngineCatalogue, type EngineCatalogue } from '../engine/catalogue.ts';
import { cardOf } from '../match/gpu-name.ts';
import { loadCards } from '../profiles/load.ts';
import { deploymentOf, planText } from '../render/deployment.ts';
import { renderTarget, targets } from '../render/index.ts';
import { monitoringFiles } from '../render/monitoring/index.ts';
import { hostFiles, type HostFile } from '../render/parts/host.ts';
import type { TargetId } from '../render/target-names.ts';
import type { Deployment, EngineRelease, Images, RenderedFile, Target } from '../render/types.ts';

/** The plan, as it lies beside the files that are made of it. */
export const PLAN_FILE = 'plan.json';

/** A file of a deployment with the target that it belongs to; null: the plan, and what watches them all. */
export type TargetFile = RenderedFile & { readonly target: TargetId | null };

export type RenderRequest = {
  readonly plan: DeploymentPlan;
  readonly targets: readonly TargetId[];
  readonly options: DeploymentOptionsRecord;
  readonly version: string;
  /** The command line, as a shell reads it. */
  readonly command: string;
};

export type Rendered = {
  readonly deployment: Deployment;
  readonly files: readonly TargetFile[];
  /** What brings each file of the model that is not here to where the targets look for it. */
  readonly before: readonly HostFile[];
  /** Commands that start each target. */
  readonly start: readonly { readonly target: TargetId; readonly commands: readonly string[] }[];
};

/** What every target of the request renders. Throws as `deploymentOf`. */
export async function deploymentFor({
  plan,
  options,
  version,
  command,
}: Omit<RenderRequest, 'targets'>): Promise<Deployment> {
  const catalogue = await loadEngineCatalogue();
  const intel = plan.machine.gpus.some(({ vendor }) => vendor === 'intel');
  const cards = intel ? await loadCards({ user: null, flag: null }) : [];
  return deploymentOf(plan, {
    ...options,
    architecture: (gpu) => cardOf(cards, gpu)?.compute?.value ?? null,
    version: `mmdeploy ${version}`,
    command,
    images: (accelerator, engine) => imagesOf(catalogue, accelerator, engine, version),
    release: (engine) => releaseOf(catalogue, engine),
  });
}

/** All files of a deployment, in memory; each path once, whoever of the targets made it. */
export async function render(request: RenderRequest): Promise<Rendered> {
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
