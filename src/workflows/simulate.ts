import type { DeploymentPlan } from '../contracts/plan.ts';
import { MmdeployError } from '../errors.ts';
import { resourcesOf } from '../match/resources.ts';
import type { DeviceInput } from '../memory/types.ts';
import type { Origin } from '../simulate/apply-layout.ts';
import { layoutArgs } from '../simulate/plan-args.ts';
import { rpcServerOf } from '../simulate/rpc-server.ts';
import { simulate } from '../simulate/simulate.ts';
import { MIB } from '../units.ts';
import type { Context } from './context.ts';
import { recheck, versionOf, withLayout } from './engine-figures.ts';
import type { SelectedEngine } from './engine.ts';
import { selectEngine } from './engine.ts';
import { secondPeak } from './second-peak.ts';
import { loadModel } from './model.ts';
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
  const deps = {
    engine: selected.engine,
    rpcServer: gpus.length === 0 ? null : rpcServerFor(selected),
    env: ctx.env,
    run: ctx.run,
    platform: ctx.platform,
    cacheFolder: ctx.folders.cache,
    signal: ctx.signal,
  };
  const asked = [
    simulate({ model, files: realFiles(plan), gpus: gpus.length, args }, deps),
    secondPeak(plan, model, deps),
  ] as const;
  // One that fails waits for the other: no process outlives the command.
  await Promise.allSettled(asked);
  const [layout, { figures: peak, warning }] = await Promise.all(asked);
  const origin: Origin = {
    basis: 'simulated',
    text: `laid out by ${versionOf(selected)}`,
    resolution: MIB,
  };
  const noted = warning === null ? plan : { ...plan, warnings: [...plan.warnings, warning] };
  const told = withLayout(noted, { ...model, text: model.text }, layout, gpus, origin, peak);
  return recheck(told, request, model.text);
}

/** The plan's own files; null where one of them is not there. */
function realFiles({ files: { model, mmproj } }: DeploymentPlan) {
  if (model === null || model.path === null) return null;
  if (mmproj === null) return { model: model.path, mmproj: null };
  return mmproj.path === null ? null : { model: model.path, mmproj: mmproj.path };
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
        'install an engine that brings it: `mmdeploy engine install debian`',
        'or plan by the formulas alone: leave `--simulate` out',
      ],
    },
  );
}

function notLlamaCpp({ model, files, engine }: DeploymentPlan): MmdeployError {
  const where = engine === null ? 'it runs at its vendor' : `it is planned for ${engine.name}`;
  return new MmdeployError(
    'usage.invalid',
    `\`--simulate\` asks llama.cpp, and \`${model.id}\` has nothing to ask it: ${where}`,
    { hints: [`leave \`--simulate\` out: \`mmdeploy plan ${files.model?.path ?? model.id}\``] },
  );
}
