import { createHash } from 'node:crypto';
import { posix, win32 } from 'node:path';
import type { Gpu } from '../contracts/machine.ts';
import type { ModelFile } from '../contracts/model.ts';
import type { DeploymentPlan } from '../contracts/plan.ts';
import { MmdeployError } from '../errors.ts';
import { hostMemory } from './parts/host-memory.ts';
import { labelOf } from './parts/name.ts';
import { copyPlan, scaleOf, scaleOutFor } from './scaled-plan.ts';
import { weightBytes } from './parts/weights.ts';
import type {
  Accelerator,
  DeployedFile,
  Deployment,
  EngineRelease,
  Images,
  IntelDriver,
  LinkedFile,
  Scale,
  Shape,
} from './types.ts';

export type DeploymentOptions = {
  readonly shape: Shape;
  /** Folder of the model's files; null: where the plan found them, else `/srv/models`. */
  readonly modelsDir: string | null;
  /** Absent: the files are none, or are not on this machine. */
  readonly links?: readonly LinkedFile[] | undefined;
  readonly cdi: boolean;
  readonly groups: Deployment['groups'];
  readonly listen: { readonly host: string; readonly port: number };
  /** Absent: the plan's own. */
  readonly scale?: Scale;
  /** Names of the targets: some deploy what a plan proposes where one machine is outgrown. */
  readonly targets?: readonly string[];
  readonly images: (accelerator: Accelerator, engine: 'llama.cpp' | 'vllm') => Images;
  readonly release: (engine: 'llama.cpp' | 'vllm') => EngineRelease;
  /** Architecture of an Intel card (`compute` of profiles/gpus.yaml), `xe2-hpg`; null where not known. */
  readonly architecture: (gpu: Gpu) => string | null;
  readonly version: string;
  readonly command: string;
};

/** `C:\models\m.gguf`, `\\server\share\m.gguf`. */
const WINDOWS_PATH = /^(?:[A-Za-z]:[\\/]|\\\\)/;
const DEFAULT_MODELS_DIR = '/srv/models';
/** A disk or a network share that is slow but not broken, in bytes per second. */
const SLOW_READ = 100e6;
/** Start of the process, of the driver, and the warm-up. */
const START_SECONDS = 120;
/** vLLM compiles and captures CUDA graphs on top, and may have to fetch the weights. */
const VLLM_START_SECONDS = 900;

/**
 * A plan as it is to be deployed. Throws `fit.none` for a plan that does not fit, and `usage.invalid` for
 * one of a model that runs at its vendor, for a GPU nobody's engine runs on, and for two files of one name.
 */
export function deploymentOf(whole: DeploymentPlan, options: DeploymentOptions): Deployment {
  const scaleOut = scaleOutFor(whole, options.targets ?? []);
  const plan = scaleOut === null ? whole : copyPlan(whole, scaleOut);
  const engine = plan.engine?.name;
  if (engine === undefined || engine === 'api') throw atVendor(plan);
  if (plan.verdict === 'no') throw noFit(plan);
  const { gpus, accelerator } = cardsOf(plan);
  if (accelerator === null) throw unknownGpu(gpus[0]?.name ?? '');
  const images = options.images(accelerator, engine);
  const scale = options.scale ?? scaleOf(plan, scaleOut);
  return {
    name: labelOf(plan.model.id),
    plan,
    engine,
    shape: options.shape,
    accelerator,
    gpus,
    intelDriver: accelerator === 'intel' ? intelDriverOf(gpus, options.architecture) : null,
    cdi: options.cdi,
    groups: options.groups,
    images,
    release: options.release(engine),
    files: engine === 'vllm' ? [] : deployedFiles(plan, options.modelsDir),
    links: options.links ?? [],
    memory: hostMemory(plan, options.shape),
    scale,
    startSeconds: startSeconds(plan, scale),
    listen: options.listen,
    origin: {
      version: options.version,
      command: options.command,
      planDigest: planDigest(whole),
    },
  };
}

/** `sha256:` over the plan's JSON, as `planText` writes it. */
export function planDigest(plan: DeploymentPlan): string {
  return `sha256:${createHash('sha256').update(planText(plan)).digest('hex')}`;
}

export function planText(plan: DeploymentPlan): string {
  return `${JSON.stringify(plan, null, 2)}\n`;
}

/** The cards that a plan uses; `accelerator` is null for those of a vendor that no engine's image is made for. */
export function cardsOf(plan: DeploymentPlan): {
  readonly gpus: readonly Gpu[];
  readonly accelerator: Accelerator | null;
} {
  const gpus = plan.machine.gpus.filter(({ id }) => usesDevice(plan, id));
  return { gpus, accelerator: acceleratorOf(gpus[0]?.vendor) };
}

function usesDevice({ memory }: DeploymentPlan, id: string): boolean {
  return memory.devices.some((device) => device.id === id && device.peakBytes > 0);
}

function acceleratorOf(vendor: string | undefined): Accelerator | null {
  switch (vendor) {
    case undefined:
      return 'cpu';
    case 'nvidia':
    case 'amd':
    case 'intel':
    case 'apple':
      return vendor;
    default:
      return null;
  }
}

/**
 * `xe` is the driver of Xe2 (Battlemage, Lunar Lake) and what came after it, `i915` that of all before it:
 * "KMD and UMD" of Intel's device plugin (cmd/gpu_plugin/README.md).
 */
function intelDriverOf(
  gpus: readonly Gpu[],
  architecture: DeploymentOptions['architecture'],
): IntelDriver {
  return gpus.some((gpu) => /^xe[2-9]/.test(architecture(gpu) ?? '')) ? 'xe' : 'i915';
}

function deployedFiles(
  { files, engine }: DeploymentPlan,
  modelsDir: string | null,
): readonly DeployedFile[] {
  const args = engine?.args ?? [];
  const found = (['model', 'mmproj'] as const).flatMap((role) => {
    const file = files[role];
    const argument = args[args.indexOf(`--${role}`) + 1];
    return file === null || argument === undefined ? [] : [deployedFile(file, argument, modelsDir)];
  });
  const [model, projector] = found;
  if (model !== undefined && model.name === projector?.name && model.folder !== projector.folder) {
    throw new MmdeployError(
      'usage.invalid',
      `the model and its projector are both called \`${model.name}\``,
      { hints: ['give the projector another name: deployments keep both in one place'] },
    );
  }
  return found;
}

function deployedFile(
  { path, source, bytes, sha256 }: ModelFile,
  argument: string,
  modelsDir: string | null,
): DeployedFile {
  // On Linux a backslash is a letter of a name as any other.
  const paths = WINDOWS_PATH.test(argument) ? win32 : posix;
  const folder = modelsDir ?? (path === null ? DEFAULT_MODELS_DIR : paths.dirname(path));
  return { name: paths.basename(argument), folder, source, bytes: bytes ?? null, sha256 };
}

/** All bytes that are read at a start, over a slow disk; each of several machines fetches all of them. */
function startSeconds(plan: DeploymentPlan, { nodes }: Scale): number {
  const least = plan.engine?.name === 'vllm' ? VLLM_START_SECONDS : START_SECONDS;
  return Math.ceil((least + (nodes * weightBytes(plan)) / SLOW_READ) / 30) * 30;
}

function atVendor({ model: { id } }: DeploymentPlan): MmdeployError {
  return new MmdeployError(
    'usage.invalid',
    `\`${id}\` runs at its vendor: there is nothing to deploy`,
    {
      hints: [`\`mmdeploy estimate FILES --model ${id}\` counts and prices what it would cost`],
    },
  );
}

function noFit(plan: DeploymentPlan): MmdeployError {
  const message = plan.reasons[0] ?? `\`${plan.model.id}\` does not fit`;
  return new MmdeployError('fit.none', message, { hints: plan.reasons.slice(1) });
}

function unknownGpu(name: string): MmdeployError {
  return new MmdeployError('usage.invalid', `nobody knows which engine runs on \`${name}\``, {
    hints: ['plan for the card by its name, `--gpu "RTX 4090"`, or for the CPU, `--gpu none`'],
  });
}
