import type { DeviceMemory, DeploymentPlan } from '../contracts/plan.ts';
import { ROUNDING } from '../simulate/apply-layout.ts';
import type { Origin, PartFigures } from '../simulate/apply-layout.ts';
import { calibrationFile, readCalibration } from '../simulate/calibration.ts';
import type { Calibration } from '../simulate/calibration.ts';
import { sum } from '../units.ts';
import type { Context } from './context.ts';
import { recheck, withEngineFigures } from './engine-figures.ts';
import { relievedPlan } from './engine-relief.ts';
import { engineOf } from './engine.ts';
import { loadModel } from './model.ts';
import type { PlanRequest } from './plan.ts';
import { planWorkflow } from './plan.ts';

/**
 * The plan: with less where this machine's engine ran out of memory with it, and with what `--verify`
 * measured in place of the formulas where these very files were loaded on this machine by this engine
 * with these settings. Throws as `planWorkflow`.
 */
export async function calibratedPlan(request: PlanRequest, ctx: Context): Promise<DeploymentPlan> {
  const planned = await planWorkflow(request, ctx);
  const { gpus, machineFile } = request.machine;
  const isHere = gpus.length === 0 && machineFile === null;
  if (!isHere || planned.engine?.name !== 'llama.cpp' || planned.verdict === 'no') return planned;
  const engine = await engineOf(planned.machine);
  if (engine === null) return planned;
  const relieved = await relievedPlan(request, planned, engine, ctx);
  const warnings = [...relieved.plan.warnings, ...relieved.caveats];
  const plan = { ...relieved.plan, warnings };
  const calibration = await readCalibration(await calibrationFile(ctx.folders.state, engine, plan));
  if (calibration === null) return plan;
  const build = engine.build === null ? '' : ` b${engine.build}`;
  const origin: Origin = {
    basis: 'measured',
    text: `measured on ${calibration.measuredAt.slice(0, 10)} with llama.cpp${build}`,
    resolution: ROUNDING,
  };
  const offloaded = plan.verdict === 'offload';
  const told = withEngineFigures(plan, (each) => figuresOf(each, calibration), offloaded, origin);
  if (request.requirements.length === 0) return told;
  const { text } = (await loadModel(request.model, ctx)).source.model;
  return text === null ? told : recheck(told, request, text);
}

/** What the driver counts beyond the engine's buffers is its context and libraries: `runtime`. */
function figuresOf({ id }: DeviceMemory, { devices }: Calibration): PartFigures {
  const measured = devices.find((each) => each.id === id);
  if (measured === undefined) return {};
  const parts = measured.parts.map(({ part, measuredBytes }) => [part, measuredBytes] as const);
  const runtime = (measured.driverBytes ?? 0) - sum(parts.map(([, bytes]) => bytes));
  const known: PartFigures = Object.fromEntries(parts);
  return measured.driverBytes === null || runtime < 0 ? known : { ...known, runtime };
}
