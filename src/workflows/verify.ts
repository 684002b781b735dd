import type { Machine } from '../contracts/machine.ts';
import type { DeviceMemory, DeploymentPlan, Verification } from '../contracts/plan.ts';
import type { ModelDescription, ModelFile, TextModel } from '../contracts/model.ts';
import { listenAt } from '../engines/llama-cpp.ts';
import { MmdeployError } from '../errors.ts';
import { resourcesOf } from '../match/resources.ts';
import { chooseOrphanGuard } from '../serve/supervisor/orphan-guard.ts';
import { ROUNDING, withFigures } from '../simulate/apply-layout.ts';
import type { Origin, PartFigures } from '../simulate/apply-layout.ts';
import { calibrationFile, writeCalibration } from '../simulate/calibration.ts';
import { gpuUsage, processUsage } from '../simulate/gpu-usage.ts';
import type { GpuUsage } from '../simulate/gpu-usage.ts';
import { parseLoad } from '../simulate/load-log.ts';
import { realLoad } from '../simulate/real-load.ts';
import { sum } from '../units.ts';
import type { Context } from './context.ts';
import { figuresBy, recheck, versionOf, withLayout } from './engine-figures.ts';
import type { SelectedEngine } from './engine.ts';
import { requireGpuEngine, selectEngine } from './engine.ts';
import { loadModel } from './model.ts';
import type { PlanRequest } from './plan.ts';
import { planWorkflow } from './plan.ts';
import type { EnginePlan } from './simulate.ts';

/** A large model on a slow disk prints little for minutes. */
const SILENCE_MS = 300_000;

/**
 * `plan --verify`: the plan, then one real load of its files on this machine, measured. What was found
 * is kept in the state folder. Throws `usage.invalid` for another machine than this one or a model that
 * llama.cpp does not run, and as `planWorkflow`; files or an engine that are not there, and a load that
 * fails, are the `failure` of a plan by the formulas. A plan that does not fit is not loaded.
 */
export async function verifiedPlan(request: PlanRequest, ctx: Context): Promise<EnginePlan> {
  if (request.machine.gpus.length > 0 || request.machine.machineFile !== null) {
    throw new MmdeployError('usage.invalid', '`--verify` loads the model on this machine', {
      hints: ['leave `--gpu` and `--machine` out, or take `--simulate` for another machine'],
    });
  }
  const plan = await planWorkflow(request, ctx);
  const { settings, engine } = plan;
  if (settings === null || engine?.name !== 'llama.cpp') {
    throw new MmdeployError('usage.invalid', `\`${plan.model.id}\` is not planned for llama.cpp`, {
      hints: ['`--verify` reads what llama.cpp allocates'],
    });
  }
  if (plan.verdict === 'no') return { plan, failure: null };
  try {
    return { plan: await verified(plan, request, ctx), failure: null };
  } catch (error) {
    if (error instanceof MmdeployError) return { plan, failure: error };
    throw error;
  }
}

type SelfHosted = ModelDescription & { readonly text: TextModel };

async function verified(
  plan: DeploymentPlan,
  request: PlanRequest,
  ctx: Context,
): Promise<DeploymentPlan> {
  const missing = [plan.files.model, plan.files.mmproj].find((file) => file?.path === null);
  if (missing !== undefined) throw withoutFiles(plan, missing);
  const { quant, encoderQuant } = plan.settings ?? {};
  const { source } = await loadModel(request.model, ctx);
  const model = source.inFormats({
    quant: quant ?? 'as stored',
    encoderQuant: encoderQuant ?? null,
  });
  if (model.text === null) throw withoutFiles(plan, plan.files.model);
  const usesGpu = plan.memory.devices.some(({ id }) => id !== 'host');
  const selected = await selectEngine(ctx, { flag: null, gpus: plan.machine.gpus });
  if (usesGpu) requireGpuEngine(selected);
  const { log, residentBytes, seen } = await load(plan, selected, ctx);
  const gpus = usesGpu ? resourcesOf(plan.machine).gpus : [];
  const layout = parseLoad(log, gpus.length);
  if (layout === null) {
    throw new MmdeployError('engine.start', `${selected.engine.path} names no buffer in its log`, {
      hints: ['`mmdeploy engine install` gets a build that does'],
    });
  }
  const origin: Origin = {
    basis: 'measured',
    text: `allocated by ${versionOf(selected)}`,
    resolution: ROUNDING,
  };
  const described: SelfHosted = { ...model, text: model.text };
  const told = withLayout(plan, described, layout, gpus, origin);
  const figures = figuresBy(described, layout, gpus);
  const devices = told.memory.devices.map((device) =>
    withRuntime(device, figures(device), driverBytes(device, plan.machine, seen), origin),
  );
  const found = {
    engine: { path: selected.engine.path, build: selected.engine.build },
    devices: plan.memory.devices.map((device) =>
      compared(device, figures(device), driverBytes(device, plan.machine, seen)),
    ),
    residentBytes,
  };
  const verification = await keep(plan, found, ctx);
  return recheck({ ...told, memory: { devices }, verification }, request, model.text);
}

/** Loads once; `seen` is what the driver says the engine holds on each card. */
async function load(plan: DeploymentPlan, { engine }: SelectedEngine, ctx: Context) {
  const cuda = plan.machine.gpus.some(({ backend }) => backend === 'cuda');
  const before = cuda ? await gpuUsage(ctx.run) : null;
  return realLoad(
    {
      llamaServer: engine.path,
      args: listenAt(plan.engine?.args ?? [], []),
      env: ctx.env,
      guard: await chooseOrphanGuard(ctx.run, ctx.platform),
      signal: ctx.signal,
      silenceMs: SILENCE_MS,
    },
    async (pid): Promise<GpuUsage | null> => {
      if (before === null) return null;
      return (await processUsage(ctx.run, pid)) ?? grown(before, await gpuUsage(ctx.run));
    },
  );
}

/** In a container the driver does not tell processes apart: what the cards have more than before. */
function grown(before: GpuUsage, after: GpuUsage | null): GpuUsage | null {
  if (after === null) return null;
  return new Map([...after].map(([uuid, bytes]) => [uuid, bytes - (before.get(uuid) ?? 0)]));
}

function driverBytes({ id }: DeviceMemory, machine: Machine, seen: GpuUsage | null): number | null {
  const uuid = machine.gpus.find((gpu) => gpu.id === id)?.uuid;
  const bytes = uuid === null || uuid === undefined ? undefined : seen?.get(uuid);
  return bytes === undefined || bytes <= 0 ? null : bytes;
}

/** What the driver counts beyond the engine's buffers is its context and libraries: `runtime`. */
function withRuntime(
  device: DeviceMemory,
  figures: PartFigures,
  taken: number | null,
  origin: Origin,
): DeviceMemory {
  const runtime = (taken ?? 0) - sum(Object.values(figures));
  if (taken === null || runtime < 0) return device;
  return withFigures(device, { runtime }, { ...origin, text: 'driver less the buffers' });
}

function compared(
  device: DeviceMemory,
  figures: PartFigures,
  taken: number | null,
): Verification['devices'][number] {
  const parts = device.items.flatMap(({ part, bytes }) => {
    const measured = figures[part];
    return measured === undefined
      ? []
      : [{ part, plannedBytes: bytes, measuredBytes: Math.round(measured) }];
  });
  return { id: device.id, parts, driverBytes: taken };
}

async function keep(
  plan: DeploymentPlan,
  found: Omit<Verification, 'calibrationFile'>,
  ctx: Context,
): Promise<Verification> {
  const file = await calibrationFile(ctx.folders.state, found.engine, plan);
  try {
    await writeCalibration(file, ctx.now(), plan, found);
  } catch (error) {
    ctx.notice(`warning: the measurement could not be kept in ${file}: ${String(error)}`);
  }
  return { ...found, calibrationFile: file };
}

function withoutFiles({ model }: DeploymentPlan, file: ModelFile | null): MmdeployError {
  const source = file?.source ?? null;
  const where = source === null ? '' : `: it is ${source}`;
  return new MmdeployError('file.missing', `no file of \`${model.id}\` is here to load${where}`, {
    hints: [
      ...(file?.make === undefined ? [] : [`make it: \`${file.make.command}\``]),
      'give the path of a GGUF file: `mmdeploy plan ./MODEL.gguf --mmproj ./MMPROJ.gguf --verify`',
      `without files: \`mmdeploy plan ${model.id} --simulate\``,
    ],
  });
}
