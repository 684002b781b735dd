import type { DeviceMemory, DeploymentPlan } from '../contracts/plan.ts';
import type { ModelDescription, TextModel } from '../contracts/model.ts';
import { checkRequirements } from '../match/require.ts';
import { judge, roomBytes, usableBytes } from '../match/verdict.ts';
import { encoderWeights } from '../memory/encoder.ts';
import type { DeviceInput } from '../memory/types.ts';
import { gib } from '../plan/wording.ts';
import {
  differencesOf,
  figuresOf,
  peakDifference,
  withFigures,
  withPeak,
} from '../simulate/apply-layout.ts';
import type { Difference, Origin, PartFigures } from '../simulate/apply-layout.ts';
import type { EngineLayout } from '../simulate/layout-log.ts';
import type { SelectedEngine } from './engine.ts';
import type { PlanRequest } from './plan.ts';

/** `llama.cpp b11669`. */
export function versionOf({ engine }: SelectedEngine): string {
  return engine.build === null ? 'llama.cpp' : `llama.cpp b${engine.build}`;
}

/** Bytes that the encoder holds at the largest image, by the id of the device. */
export type PeakFigures = ReadonlyMap<string, number>;

/** What `--require` asks, asked of the new figures. */
export function recheck(
  plan: DeploymentPlan,
  request: PlanRequest,
  text: TextModel,
): DeploymentPlan {
  const { requirements } = request;
  if (requirements.length === 0) return plan;
  return { ...plan, requirements: checkRequirements(requirements, plan, text.contextMax) };
}

/** The figures of a layout for each device of a plan. */
export function figuresBy(
  model: ModelDescription,
  layout: EngineLayout,
  gpus: readonly DeviceInput[],
): (device: DeviceMemory) => PartFigures {
  const weights = model.encoder === null ? 0 : encoderWeights(model.encoder).bytes;
  return (device) => {
    const index = gpus.findIndex(({ id }) => id === device.id);
    return figuresOf(layout, index === -1 ? null : index, weights);
  };
}

/** A plan with the figures of a layout in place of the formulas'. */
export function withLayout(
  plan: DeploymentPlan,
  model: ModelDescription & { readonly text: TextModel },
  layout: EngineLayout,
  gpus: readonly DeviceInput[],
  origin: Origin,
  peak: PeakFigures | null = null,
): DeploymentPlan {
  const onCpu = gpus.length === 0 || plan.engine?.args.includes('--no-mmproj-offload') === true;
  const offloaded =
    (plan.settings?.gpuLayers ?? 0) <= model.text.layers || (model.encoder !== null && onCpu);
  return withEngineFigures(plan, figuresBy(model, layout, gpus), offloaded, origin, peak);
}

/** A plan with the engine's figures in place of the formulas', judged again; differences are warnings. */
export function withEngineFigures(
  plan: DeploymentPlan,
  figures: (device: DeviceMemory) => PartFigures,
  offloaded: boolean,
  origin: Origin,
  peak: PeakFigures | null = null,
): DeploymentPlan {
  const atPeak = (device: DeviceMemory): number | undefined => peak?.get(device.id);
  const devices = plan.memory.devices.map((device) => {
    const loaded = withFigures(device, figures(device), origin);
    const encoder = atPeak(device);
    return encoder === undefined ? loaded : withPeak(loaded, encoder, origin.basis);
  });
  const differences = plan.memory.devices.flatMap((device) => [
    ...differencesOf(device, figures(device)),
    ...peakDifferences(device, atPeak(device)),
  ]);
  const verdict = judge(devices, offloaded);
  return {
    ...plan,
    memory: { devices },
    verdict,
    reasons: reasonsWith(plan, devices, verdict, origin),
    warnings: [...plan.warnings, ...differences.map((each) => differenceLine(each, origin))],
  };
}

function peakDifferences(device: DeviceMemory, engine: number | undefined): Difference[] {
  const difference = engine === undefined ? null : peakDifference(device, engine);
  return difference === null ? [] : [difference];
}

/** The first reason is the verdict's own: it names the room, which is another one now. */
function reasonsWith(
  plan: DeploymentPlan,
  devices: readonly DeviceMemory[],
  verdict: DeploymentPlan['verdict'],
  { text }: Origin,
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
  const told = `${sentence} (as ${text})`;
  if (verdict !== plan.verdict) {
    return [`${told}: \`${verdict}\` instead of \`${plan.verdict}\``, ...plan.reasons];
  }
  return verdict === 'fits' || verdict === 'tight'
    ? [told, ...plan.reasons.slice(1)]
    : plan.reasons;
}

function differenceLine(
  { device, part, at, formula, engine }: Difference,
  { text }: Origin,
): string {
  const when = at === undefined ? '' : ` at ${at}`;
  const share = formula === 0 ? '' : ` (${(((engine - formula) / formula) * 100).toFixed(1)} %)`;
  return `${device} ${part}${when}: ${gib(engine)} ${text} where the formula says ${gib(formula)}${share}`;
}
