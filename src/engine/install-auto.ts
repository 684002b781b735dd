import type { EngineFound, Gpu } from '../contracts/machine.ts';
import { MmdeployError } from '../errors.ts';
import type { LlamaCppCatalogue } from './catalogue.ts';
import { engineGpus, gpusShown } from './choose.ts';
import type { InstallContext } from './install-context.ts';
import { stopIfAborted } from './install-context.ts';
import { installDebian } from './install-debian.ts';
import { installRelease } from './install-release.ts';
import type { StagedEngine } from './staging.ts';
import { probeEngine } from './probe.ts';
import type { ReleaseTarget } from './release-files.ts';

export type Attempt = {
  readonly source: 'release' | 'debian';
  readonly accelerator: string;
  /** Why this one; follows "installing …: ". */
  readonly why: string;
};

export type AutoInstall = {
  readonly catalogue: LlamaCppCatalogue;
  readonly gpus: readonly Gpu[];
  /** Node's name of the architecture. */
  readonly arch: string;
  readonly debian: boolean;
  /** The only one wanted; null leaves it to the machine. */
  readonly accelerator: string | null;
  readonly force: boolean;
};

/**
 * What to try, in order: the GPU maker's own backend where its driver is present, then Vulkan, which
 * needs the card's ordinary driver only, then the CPU.
 */
export function autoAttempts(
  gpus: readonly Gpu[],
  host: { readonly platform: string; readonly arch: string; readonly debian: boolean },
): Attempt[] {
  const usable = engineGpus(gpus);
  const names = usable.map(({ name }) => name).join(', ');
  const mac = host.platform === 'darwin' && host.arch === 'arm64';
  if (mac) return [{ source: 'release', accelerator: 'metal', why: 'Metal is built in' }];
  const attempts: Attempt[] = [];
  if (usable.some(({ backend }) => backend === 'cuda')) {
    attempts.push({ source: 'release', accelerator: 'cuda', why: `CUDA for ${names}` });
  }
  if (usable.length > 0 && host.platform !== 'darwin') {
    const why = `Vulkan for ${names}`;
    attempts.push({ source: 'release', accelerator: 'vulkan', why });
    if (host.debian) attempts.push({ source: 'debian', accelerator: 'vulkan', why });
  }
  const why = usable.length > 0 ? 'CPU only' : 'no GPU here: CPU';
  if (host.debian) attempts.push({ source: 'debian', accelerator: 'cpu', why });
  attempts.push({ source: 'release', accelerator: 'cpu', why });
  return attempts;
}

/**
 * Works through `autoAttempts` until an engine is installed that shows the GPUs, or any on a machine
 * without. Each step that fails is told in one line; once the release server cannot be reached it is
 * not asked again. Throws the last failure when nothing could be installed.
 */
export async function installAuto(
  request: AutoInstall,
  ctx: InstallContext,
): Promise<{ engine: StagedEngine; why: string }> {
  const usable = engineGpus(request.gpus);
  let offline = false;
  let failure: unknown = null;
  let withoutGpu: { engine: StagedEngine; why: string } | null = null;
  const attempts =
    request.accelerator === null
      ? autoAttempts(request.gpus, { platform: ctx.platform, ...request })
      : namedAttempts(request.accelerator, request);
  for (const attempt of attempts) {
    if (attempt.source === 'release' && offline) continue;
    const wantsGpu = usable.length > 0 && attempt.accelerator !== 'cpu';
    if (!wantsGpu && withoutGpu !== null) return withoutGpu;
    const label = `llama.cpp (${attempt.source}, ${attempt.accelerator})`;
    ctx.notice(`installing ${label}: ${attempt.why}`);
    try {
      const engine = await installAttempt(attempt, request, ctx);
      const done = { engine, why: attempt.why };
      if (!wantsGpu || (await showsGpu(engine, usable, ctx))) return done;
      ctx.notice(`${label} is installed but shows no GPU here`);
      withoutGpu ??= { engine, why: `${attempt.why}, but it shows no GPU here` };
    } catch (error) {
      stopIfAborted(ctx.signal);
      if (!(error instanceof MmdeployError)) throw error;
      offline ||= error.code === 'engine.download';
      failure = error;
      ctx.notice(`${label} did not work: ${error.message}`);
    }
  }
  if (withoutGpu !== null) return withoutGpu;
  throw failure;
}

/** The release and, where they have it, Debian's packages with the accelerator that was asked for. */
function namedAttempts(accelerator: string, request: AutoInstall): Attempt[] {
  const why = 'as asked';
  const packaged = request.debian && accelerator in request.catalogue.debian.accelerators;
  const release: Attempt = { source: 'release', accelerator, why };
  return packaged ? [release, { source: 'debian', accelerator, why }] : [release];
}

/** Version of the driver's CUDA, and the oldest card's compute capability. */
export function releaseTarget(
  gpus: readonly Gpu[],
  host: { readonly platform: string; readonly arch: string },
  accelerator: string,
): ReleaseTarget {
  const nvidia = gpus.filter(({ backend }) => backend === 'cuda');
  const capabilities = nvidia
    .map(({ computeCapability }) => Number(computeCapability ?? Number.NaN))
    .filter((value) => Number.isFinite(value));
  return {
    platform: host.platform,
    arch: host.arch,
    accelerator,
    cudaVersion:
      nvidia.find(({ runtimeVersion }) => runtimeVersion !== null)?.runtimeVersion ?? null,
    computeCapability: capabilities.length === 0 ? null : String(Math.min(...capabilities)),
  };
}

function installAttempt(
  attempt: Attempt,
  request: AutoInstall,
  ctx: InstallContext,
): Promise<StagedEngine> {
  const { accelerator } = attempt;
  const { catalogue, force } = request;
  if (attempt.source === 'debian') {
    return installDebian({ recipe: catalogue.debian, accelerator, force }, ctx);
  }
  const host = { platform: ctx.platform, arch: request.arch };
  const target = releaseTarget(request.gpus, host, accelerator);
  return installRelease(
    { recipe: catalogue.release, target, build: null, url: null, sha256: null, force },
    ctx,
  );
}

async function showsGpu(
  engine: StagedEngine,
  gpus: readonly Gpu[],
  ctx: InstallContext,
): Promise<boolean> {
  const probe = await probeEngine(engine.path, { ...ctx, cacheFolder: null });
  if (probe.kind === 'unusable') return false;
  const found: EngineFound = {
    name: 'llama.cpp',
    path: engine.path,
    version: probe.version,
    build: probe.build,
    devices: [...probe.devices],
    source: 'managed',
  };
  return gpusShown(found, gpus) > 0;
}
