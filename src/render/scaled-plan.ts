import type { DeploymentPlan, ScaleOut } from '../contracts/plan.ts';
import { MmdeployError } from '../errors.ts';
import { ONE_NODE, type Scale } from './types.ts';

/** Targets of several machines: where a plan proposes to scale out, they deploy the proposal. */
const SCALED: ReadonlySet<string> = new Set(['kserve', 'lws']);

/** The proposal that `targets` deploy in place of the plan; null: they deploy the plan itself. */
export function scaleOutFor(plan: DeploymentPlan, targets: readonly string[]): ScaleOut | null {
  const { scaleOut } = plan;
  if (scaleOut === undefined || scaleOut.kind === 'one-node') return null;
  const scaled = targets.filter((target) => SCALED.has(target));
  if (scaled.length === 0) return null;
  if (scaled.length === targets.length) return scaleOut;
  const others = targets.filter((target) => !SCALED.has(target));
  throw new MmdeployError(
    'usage.invalid',
    `\`--target ${scaled.join(',')}\` is for ${scaleOut.machines} machines, \`${others.join(',')}\` for one`,
    { hints: [`write them to folders of their own: \`--target ${scaled.join(',')} --write DIR\``] },
  );
}

/** The plan of one copy of a proposal, as targets render it. */
export function copyPlan(plan: DeploymentPlan, scaleOut: ScaleOut): DeploymentPlan {
  const { settings, files, memory, verdict, engine } = scaleOut;
  return { ...plan, settings, files, memory, verdict, engine };
}

export function scaleOf({ settings }: DeploymentPlan, scaleOut: ScaleOut | null): Scale {
  if (scaleOut === null) return { ...ONE_NODE, tensor: settings?.tensorParallelSize ?? 1 };
  const { replicas, nodes, tensor, pipeline } = scaleOut;
  return { replicas, nodes, tensor, pipeline };
}
