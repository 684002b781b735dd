import { ENGINE_INSTALL_SCHEMA } from '../contracts/engine.ts';
import type { EngineInstallResult } from '../contracts/engine.ts';
import type { Gpu } from '../contracts/machine.ts';
import { loadEngineCatalogue } from '../engine/catalogue.ts';
import type { LlamaCppCatalogue } from '../engine/catalogue.ts';
import { isDebian } from '../engine/debian-system.ts';
import { archiveOptions } from '../engine/engine-errors.ts';
import { installAuto, releaseTarget } from '../engine/install-auto.ts';
import { installDebian } from '../engine/install-debian.ts';
import { installRelease } from '../engine/install-release.ts';
import type { StagedEngine } from '../engine/staging.ts';
import { MmdeployError } from '../errors.ts';
import type { Context } from './context.ts';
import type { EngineQuery, SelectedEngine } from './engine.ts';
import { listEngines, selectEngine } from './engine.ts';

// Apart from `engine.ts`: what downloads and unpacks takes longer to load than a plan takes to make.

/** Node's name of the architecture comes from the process: a `Context` describes one machine. */
const ARCH = process.arch;

/** `selectEngine`, and where there is none, `install auto` first: for the demo. */
export async function ensureEngine(ctx: Context, query: EngineQuery): Promise<SelectedEngine> {
  try {
    return await selectEngine(ctx, query);
  } catch (error) {
    const missing = error instanceof MmdeployError && error.code === 'engine.not-found';
    if (!missing || query.flag !== null) throw error;
  }
  await installEngine({ ...AUTO, gpus: query.gpus }, ctx);
  return selectEngine(ctx, query);
}

export type InstallEngineRequest = {
  readonly source: 'auto' | 'debian' | 'release';
  readonly gpus: readonly Gpu[];
  /** `cpu`, `cuda`, `vulkan`, `rocm`, `metal`; null leaves it to the machine. */
  readonly accelerator: string | null;
  readonly build: number | null;
  readonly url: string | null;
  readonly sha256: string | null;
  readonly force: boolean;
};

const AUTO: Omit<InstallEngineRequest, 'gpus'> = {
  source: 'auto',
  accelerator: null,
  build: null,
  url: null,
  sha256: null,
  force: false,
};

/**
 * Installs a llama-server below our data folder, or says which one is there already. Throws
 * `usage.invalid`, `engine.install`, `engine.download`, `interrupted`; nothing is left half-installed.
 */
export async function installEngine(
  request: InstallEngineRequest,
  ctx: Context,
): Promise<EngineInstallResult> {
  const { llamaCpp } = await loadEngineCatalogue();
  const archive = request.url !== null || request.build !== null || request.sha256 !== null;
  if (request.source === 'debian') {
    if (archive) throw archiveOptions();
    const { accelerator, force } = request;
    const recipe = { recipe: llamaCpp.debian, accelerator: accelerator ?? 'cpu', force };
    return installedResult(await installDebian(recipe, ctx), 'as asked');
  }
  if (request.source === 'release' || archive) {
    return installedResult(await installReleaseOf(request, llamaCpp, ctx), 'as asked');
  }
  const asked = request.force || request.accelerator !== null;
  const present = asked ? null : await presentEngine(request, ctx);
  if (present !== null) return present;
  const auto = { catalogue: llamaCpp, arch: ARCH, debian: await isDebian(ctx.platform) };
  const { engine, why } = await installAuto({ ...auto, ...request }, ctx);
  return installedResult(engine, why);
}

function installReleaseOf(
  request: InstallEngineRequest,
  catalogue: LlamaCppCatalogue,
  ctx: Context,
): Promise<StagedEngine> {
  const host = { platform: ctx.platform, arch: ARCH };
  const accelerator = request.accelerator ?? defaultAccelerator(request.gpus, ctx.platform);
  const { build, url, sha256, force } = request;
  const target = releaseTarget(request.gpus, host, accelerator);
  return installRelease({ recipe: catalogue.release, target, build, url, sha256, force }, ctx);
}

function defaultAccelerator(gpus: readonly Gpu[], platform: NodeJS.Platform): string {
  if (platform === 'darwin') return ARCH === 'arm64' ? 'metal' : 'cpu';
  if (gpus.some(({ backend }) => backend === 'cuda')) return 'cuda';
  return gpus.some(({ backend }) => backend !== null && backend !== 'cpu') ? 'vulkan' : 'cpu';
}

/** An engine that is there and shows the GPUs (or any, where there are none) makes `auto` content. */
async function presentEngine(
  request: InstallEngineRequest,
  ctx: Context,
): Promise<EngineInstallResult | null> {
  const { choice } = await listEngines(ctx, { flag: null, gpus: request.gpus });
  if (choice.kind !== 'ready') return null;
  return {
    schema: ENGINE_INSTALL_SCHEMA,
    installed: false,
    path: choice.engine.path,
    id: null,
    source: null,
    release: choice.engine.version,
    accelerator: null,
    why: `already there: ${choice.why}`,
  };
}

function installedResult(engine: StagedEngine, why: string): EngineInstallResult {
  const { path, id, source, release, accelerator, fresh } = engine;
  const schema = ENGINE_INSTALL_SCHEMA;
  const reason = fresh ? why : 'already there';
  return { schema, installed: fresh, path, id, source, release, accelerator, why: reason };
}
