import type { DeviceMemory, DeploymentPlan } from '../contracts/plan.ts';
import type { ModelDescription, TextModel } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import { checkRequirements } from '../match/require.ts';
import { resourcesOf } from '../match/resources.ts';
import { judge, roomBytes, usableBytes } from '../match/verdict.ts';
import type { DeviceInput } from '../memory/types.ts';
import { tensorsBytes } from '../memory/weights.ts';
import { gib } from '../plan/wording.ts';
import { differencesOf, figuresOf, withFigures } from '../simulate/apply-layout.ts';
import type { Difference, PartFigures } from '../simulate/apply-layout.ts';
import type { EngineLayout } from '../simulate/layout-log.ts';
import { layoutArgs } from '../simulate/plan-args.ts';
import { rpcServerOf } from '../simulate/rpc-server.ts';
import { simulate } from '../simulate/simulate.ts';
import { MIB } from '../units.ts';
import type { Context } from './context.ts';
import type { SelectedEngine } from './engine.ts';
import { selectEngine } from './engine.ts';
import { loadModel } from './model.ts';
import type { LoadedModel } from './model.ts';
import type { PlanRequest } from './plan.ts';
import { planWorkflow } from './plan.ts';

export type EnginePlan = {
  /** With the engine's figures, or the formulas' where it could not be asked. */
  readonly plan: DeploymentPlan;
  /** Why it could not: to be thrown once the plan is printed. */
  readonly failure: MmdeployError | null;
};

/**
 * `plan --simulate`: the plan, then llama.cpp's own layout of it in place of the formulas. Throws
 * `usage.invalid` for a model that llama.cpp does not run, and as `planWorkflow`; a missing engine or
 * stand-in is the `failure` of a plan by the formulas.
 */
export async function simulatedPlan(request: PlanRequest, ctx: Context): Promise<EnginePlan> {
  const plan = await planWorkflow(request, ctx);
  try {
    return { plan: await simulated(plan, request, ctx), failure: null };
  } catch (error) {
    if (error instanceof MmdeployError && error.code !== 'usage.invalid') {
      return { plan, failure: error };
    }
    throw error;
  }
}

async function simulated(
  plan: DeploymentPlan,
  request: PlanRequest,
  ctx: Context,
): Promise<DeploymentPlan> {
  const { settings, engine: planned } = plan;
  if (settings === null || planned?.name !== 'llama.cpp') throw notLlamaCpp(plan);
  const loaded = await loadModel(request.model, ctx);
  const model = loaded.source.inFormats({
    quant: settings.quant ?? 'as stored',
    encoderQuant: settings.encoderQuant,
  });
  if (model.text === null) throw notLlamaCpp(plan);
  const usesGpu = plan.memory.devices.some(({ id }) => id !== 'host');
  const gpus = usesGpu ? resourcesOf(plan.machine).gpus : [];
  const selected = await selectEngine(ctx, { flag: null, gpus: [] });
  requireFitting(selected);
  const args = [...layoutArgs(planned.args), ...tensorSplit(planned.args, gpus)];
  const layout = await simulate(
    { model, files: realFiles(loaded), gpus: gpus.length, args },
    {
      engine: selected.engine,
      rpcServer: gpus.length === 0 ? null : rpcServerFor(selected),
      env: ctx.env,
      run: ctx.run,
      platform: ctx.platform,
      cacheFolder: ctx.folders.cache,
      signal: ctx.signal,
    },
  );
  const told = withLayout(plan, { ...model, text: model.text }, layout, gpus, versionOf(selected));
  if (request.requirements.length === 0) return told;
  const { contextMax } = model.text;
  return { ...told, requirements: checkRequirements(request.requirements, told, contextMax) };
}

function realFiles({ headers }: LoadedModel) {
  if (headers === null) return null;
  return { model: headers.model.path, mmproj: headers.mmproj?.path ?? null };
}

/** Stand-ins are all as large as this machine's RAM: cards of other sizes are told by their free MiB. */
function tensorSplit(args: readonly string[], gpus: readonly DeviceInput[]): string[] {
  if (gpus.length < 2 || args.includes('--tensor-split')) return [];
  const shares = gpus.map((gpu) => Math.floor((gpu.freeBytes ?? gpu.capacityBytes ?? MIB) / MIB));
  return new Set(shares).size === 1 ? [] : ['--tensor-split', shares.join(',')];
}

/** It is the fitting that prints the layout. */
function requireFitting({ engine, flags }: SelectedEngine): void {
  if (flags.includes('--fit')) return;
  throw new MmdeployError('engine.too-old', `${engine.path} cannot tell its memory layout`, {
    hints: ['install one that can: `mmdeploy engine install`'],
  });
}

function rpcServerFor({ engine }: SelectedEngine): string {
  const found = rpcServerOf(engine.path);
  if (found !== null) return found;
  throw new MmdeployError(
    'tool.missing',
    `no ggml-rpc-server belongs to ${engine.path}: there is nothing to stand in for a GPU`,
    {
      hints: [
        'install an engine that brings it: `mmdeploy engine install --source debian`',
        'or plan by the formulas alone: leave `--simulate` out',
      ],
    },
  );
}

function versionOf({ engine }: SelectedEngine): string {
  return engine.build === null ? 'llama.cpp' : `llama.cpp b${engine.build}`;
}

function withLayout(
  plan: DeploymentPlan,
  model: ModelDescription & { readonly text: TextModel },
  layout: EngineLayout,
  gpus: readonly DeviceInput[],
  engine: string,
): DeploymentPlan {
  const encoderWeights = model.encoder === null ? 0 : tensorsBytes(model.encoder.tensors);
  const figures = (device: DeviceMemory): PartFigures => {
    const index = gpus.findIndex(({ id }) => id === device.id);
    return figuresOf(layout, index === -1 ? null : index, encoderWeights);
  };
  const devices = plan.memory.devices.map((device) =>
    withFigures(device, figures(device), 'simulated', `laid out by ${engine}`),
  );
  const differences = plan.memory.devices.flatMap((device) =>
    differencesOf(device, figures(device)),
  );
  const onCpu = gpus.length === 0 || plan.engine?.args.includes('--no-mmproj-offload') === true;
  const offloaded =
    (plan.settings?.gpuLayers ?? 0) <= model.text.layers || (model.encoder !== null && onCpu);
  const verdict = judge(devices, offloaded);
  return {
    ...plan,
    memory: { devices },
    verdict,
    reasons: reasonsWith(plan, devices, verdict, engine),
    warnings: [...plan.warnings, ...differences.map((each) => differenceLine(each, engine))],
  };
}

/** The first reason is the verdict's own: it names the room, which is another one now. */
function reasonsWith(
  plan: DeploymentPlan,
  devices: readonly DeviceMemory[],
  verdict: DeploymentPlan['verdict'],
  engine: string,
): string[] {
  const cards = devices.filter(({ id }) => id !== 'host');
  const [tightest] = [...(cards.length > 0 ? cards : devices)].sort(
    (a, b) => roomBytes(a) - roomBytes(b),
  );
  if (tightest === undefined) return plan.reasons;
  const room = roomBytes(tightest);
  if (!Number.isFinite(room)) return plan.reasons;
  const usable = gib(usableBytes(tightest) ?? 0);
  const sentence =
    room < 0
      ? `${tightest.id} (${tightest.name}) needs ${gib(tightest.peakBytes)} and has ${usable} usable: ${gib(-room)} short`
      : `${gib(room)} of ${usable} left on ${tightest.id} at the peak`;
  const told = `${sentence} (as laid out by ${engine})`;
  if (verdict !== plan.verdict) {
    return [`${told}: \`${verdict}\` instead of \`${plan.verdict}\``, ...plan.reasons];
  }
  return verdict === 'fits' || verdict === 'tight'
    ? [told, ...plan.reasons.slice(1)]
    : plan.reasons;
}

function differenceLine({ device, part, formula, engine }: Difference, name: string): string {
  const share = formula === 0 ? '' : ` (${(((engine - formula) / formula) * 100).toFixed(1)} %)`;
  return `${device} ${part}: ${name} lays out ${gib(engine)} where the formula says ${gib(formula)}${share}`;
}

function notLlamaCpp({ model, engine }: DeploymentPlan): MmdeployError {
  const where = engine === null ? 'it runs at its vendor' : `it is planned for ${engine.name}`;
  return new MmdeployError(
    'usage.invalid',
    `\`--simulate\` asks llama.cpp, and \`${model.id}\` has nothing to ask it: ${where}`,
    { hints: [`leave \`--simulate\` out: \`mmdeploy plan ${model.id}\``] },
  );
}
