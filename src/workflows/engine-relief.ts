import { join } from 'node:path';
import type { ModelDescription } from '../contracts/model.ts';
import type { DeploymentPlan, Verification } from '../contracts/plan.ts';
import { LEAST_CAP, imageTokensOf } from '../match/launch.ts';
import { NO_RELIEF, reliefFlags, type Relief } from '../serve/relief.ts';
import { readRelief, writeRelief } from '../serve/relief-file.ts';
import type { ReliefOptions } from '../serve/supervisor/options.ts';
import { digestOf, planStamp } from '../simulate/calibration.ts';
import type { Context } from './context.ts';
import type { PlanRequest } from './plan.ts';
import { planWorkflow } from './plan.ts';

type Engine = Verification['engine'];

/** What may be given up when the engine of `plan` runs out of memory, and what was before. */
export async function reliefOptions(
  plan: DeploymentPlan,
  model: ModelDescription,
  engine: Engine & { readonly flags: readonly string[] },
  ctx: Context,
): Promise<ReliefOptions> {
  const file = await reliefFile(plan, engine, ctx);
  const remembered = await readRelief(file);
  if (remembered !== null) ctx.notice(`warning: ${caveat(remembered, file)}`);
  const images = imageTokensOf(model);
  const imageTokens =
    images?.adjustable === true
      ? {
          largest: images.largest,
          least: Math.max(images.smallest, images.leastCap, LEAST_CAP),
        }
      : null;
  return {
    scope: { flags: engine.flags, imageTokens },
    initial: remembered?.relief ?? NO_RELIEF,
    remember: async (relief) => {
      try {
        await writeRelief(file, ctx.now(), plan.model.id, relief);
      } catch {
        ctx.notice(`warning: \`${file}\` cannot be written: the next start will run out of memory`);
      }
    },
  };
}

export type RelievedPlan = {
  readonly plan: DeploymentPlan;
  /** One sentence for each time that memory ran out; empty: the plan is as it was. */
  readonly caveats: readonly string[];
};

/**
 * The plan of `request`, with as little as an engine that ran out of memory with it on this machine came
 * down to. Throws as `planWorkflow`.
 */
export async function relievedPlan(
  request: PlanRequest,
  planned: DeploymentPlan,
  engine: Engine,
  ctx: Context,
): Promise<RelievedPlan> {
  let plan = planned;
  const caveats: string[] = [];
  const seen = new Set<string>();
  for (;;) {
    const file = await reliefFile(plan, engine, ctx);
    const remembered = seen.has(file) ? null : await readRelief(file);
    if (remembered === null) return { plan, caveats };
    seen.add(file);
    caveats.push(caveat(remembered, file));
    plan = await planWorkflow(
      { ...request, wishes: wishesWith(request, plan, remembered.relief) },
      ctx,
    );
  }
}

async function reliefFile(plan: DeploymentPlan, engine: Engine, ctx: Context): Promise<string> {
  const name = digestOf(await planStamp({ path: engine.path, build: engine.build }, plan));
  return join(ctx.folders.state, 'reliefs', `${name}.json`);
}

/** Everything else stays as it was planned, or the search would spend what was just given up. */
function wishesWith(
  { wishes }: PlanRequest,
  { settings, engine }: DeploymentPlan,
  relief: Relief,
): PlanRequest['wishes'] {
  if (settings === null) return wishes;
  const { quant, encoderQuant, contextPerSlot, slots, ubatch, gpuLayers, imageMaxTokens } =
    settings;
  return {
    ...wishes,
    ...{ quant, encoderQuant, contextPerSlot, ubatch, gpuLayers },
    slots: relief.slots ?? slots,
    imageMaxTokens: relief.imageMaxTokens ?? imageMaxTokens,
    encoderOnCpu:
      relief.encoderOnCpu ||
      wishes.encoderOnCpu ||
      engine?.args.includes('--no-mmproj-offload') === true,
  };
}

function caveat({ at, relief }: { at: string; relief: Relief }, file: string): string {
  return `llama-server ran out of memory here on ${at.slice(0, 10)}: it is started with ${reliefFlags(relief)} (delete \`${file}\` to plan afresh)`;
}
