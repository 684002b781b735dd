import { join, resolve } from 'node:path';
import type { DeploymentPlan } from '../contracts/plan.ts';
import { writeDemoModel } from '../demo/model.ts';
import { listenAt } from '../engines/llama-cpp.ts';
import { MmdeployError } from '../errors.ts';
import { NO_WISHES } from '../match/types.ts';
import { kvBytesPerToken } from '../plan/slot-files.ts';
import { counted } from '../plan/wording.ts';
import { cardsOf } from '../render/deployment.ts';
import { visibleOnHost } from '../render/parts/devices.ts';
import { checkClientCommand } from '../serve/client-command.ts';
import type { ReliefOptions } from '../serve/supervisor/options.ts';
import type { Context } from './context.ts';
import { relievedPlan, reliefOptions } from './engine-relief.ts';
import type { SelectedEngine } from './engine.ts';
import { requireGpuEngine, selectEngine } from './engine.ts';
import { ensureEngine } from './engine-install.ts';
import { missingFiles } from './missing-files.ts';
import type { LoadedModel } from './model.ts';
import { loadModel } from './model.ts';
import { readPlan } from './plan-file.ts';
import type { PlanRequest } from './plan.ts';
import { planWorkflow } from './plan.ts';
import { mediaRules, type AbleModels } from './media-rules.ts';
import { ableModels } from './senses.ts';
import type { ServeRequest, ServeTools } from './start-serving.ts';
import type { ServedModel } from './serve-pipeline.ts';

/** What to serve: a model to plan first, a plan made earlier, or the demo model. */
export type ServeWhat =
  | { readonly kind: 'model'; readonly plan: PlanRequest }
  | { readonly kind: 'plan-file'; readonly file: string; readonly profilesDir: string | null }
  | { readonly kind: 'demo' };

type ServeListen = Omit<ServeRequest, 'argv' | 'enginePath' | 'modelId' | 'settings' | 'media'>;

export type PrepareServe = {
  readonly what: ServeWhat;
  readonly listen: ServeListen;
  /** Where prepared media are kept; null: in the cache folder. */
  readonly cacheDir: string | null;
  readonly cacheBytes: number;
  /** `--llama-server FILE`. */
  readonly llamaServer: string | null;
};

export type PreparedServe = {
  readonly request: ServeRequest;
  readonly tools: Pick<ServeTools, 'model' | 'relief'>;
  readonly plan: DeploymentPlan;
};

/** Flags that make a supervised engine behave, for engines that have them. */
const SUPERVISION_FLAGS: readonly (readonly string[])[] = [
  // SIGTERM cuts streams only at the next ping: 30 s by default.
  ['--sse-ping-interval', '1'],
  // Nothing is to be fetched behind the user's back.
  ['--offline'],
  // What the watchdog goes by; older builds do not tell unless they are asked to.
  ['--slots'],
];

/**
 * Everything that has to hold before an engine is started: a plan that fits, files that are there and
 * belong together, an engine that can run the plan. Throws `fit.none`, `file.missing`,
 * `model.mismatch`, `engine.*`, each with the next command.
 */
export async function prepareServe(
  { what, listen, llamaServer, cacheDir, cacheBytes }: PrepareServe,
  ctx: Context,
): Promise<PreparedServe> {
  if (listen.command !== null) {
    await checkClientCommand({ argv: listen.command, env: ctx.env, cwd: ctx.cwd }, ctx.platform);
  }
  const planned = await planOf(what, ctx);
  if (planned.verdict === 'no') throw noFit(planned);
  const { model: path, mmproj } = localFiles(planned);
  const loaded = await loadModel({ name: path, mmproj, profilesDir: null }, ctx);
  const engine = await engineFor(what, planned, llamaServer, ctx);
  const plan = await withLess(what, planned, engine, ctx);
  const args = listenAt(plan.engine?.args ?? [], []);
  const argv = [...args, ...supervisionFlags(args, engine.flags, plan.model.id)];
  const relief = await reliefOptions(
    plan,
    loaded.source.model,
    { ...engine.engine, flags: engine.flags },
    ctx,
  );
  ctx.trace(`engine: ${[engine.engine.path, ...argv].join(' ')}`);
  return {
    plan,
    request: {
      ...listen,
      argv,
      media: {
        cacheDir: resolve(ctx.cwd, cacheDir ?? ctx.folders.cache),
        maxBytes: cacheBytes,
        engineReadsFiles: engine.flags.includes('--media-path'),
      },
      engineFlags: engine.flags,
      enginePath: engine.engine.path,
      engineEnv: keptToCards(what, plan),
      modelId: plan.model.id,
      ...startedWith(plan, relief),
    },
    tools: { model: servedModel(plan, loaded, await ableModels(ctx)), relief },
  };
}

/**
 * What keeps an engine to the cards of its plan where it would see more of this machine: beside a MIG instance,
 * or a card whose memory nobody knows. A what-if, or a plan from a file, says nothing of the cards here.
 */
function keptToCards(what: ServeWhat, plan: DeploymentPlan): Record<string, string> {
  const { gpus, accelerator } = cardsOf(plan);
  const isHere = what.kind === 'model' && what.plan.machine.machineFile === null;
  if (!isHere || accelerator === null || plan.machine.origin !== 'detected') return {};
  return visibleOnHost({ gpus, accelerator, plan });
}

/** For the person who watches: with the slots that it has after it once ran out of memory. */
function startedWith(
  { settings }: DeploymentPlan,
  { initial }: ReliefOptions,
): Pick<ServeRequest, 'settings'> {
  if (settings === null) return {};
  const slots = counted(initial.slots ?? settings.slots, 'slot');
  return { settings: `${settings.contextPerSlot} tokens of context, ${slots}` };
}

/** The demo model's plan on this machine; its files are made in the cache folder. */
export async function demoPlan(gpus: readonly string[], ctx: Context): Promise<DeploymentPlan> {
  const { model, mmproj } = await writeDemoModel(join(ctx.folders.cache, 'demo'));
  return planWorkflow(
    {
      model: { name: model, mmproj, profilesDir: null },
      machine: { gpus, machineFile: null, profilesDir: null },
      wishes: { ...NO_WISHES, contextPerSlot: 4096, slots: 2 },
      requirements: [],
      engine: 'auto',
    },
    ctx,
  );
}

/** A plan of ours is made again with what memory allowed last time; one from a file stays as it is. */
async function withLess(
  what: ServeWhat,
  planned: DeploymentPlan,
  { engine }: SelectedEngine,
  ctx: Context,
): Promise<DeploymentPlan> {
  if (what.kind !== 'model') return planned;
  const { plan, caveats } = await relievedPlan(what.plan, planned, engine, ctx);
  for (const caveat of caveats) ctx.notice(`warning: ${caveat}`);
  return plan;
}

async function planOf(what: ServeWhat, ctx: Context): Promise<DeploymentPlan> {
  if (what.kind === 'model') return planWorkflow(what.plan, ctx);
  if (what.kind === 'plan-file') return readPlan(resolve(ctx.cwd, what.file));
  const plan = await demoPlan([], ctx);
  if (plan.machine.gpus.length === 0) return plan;
  const { verdict } = await ensureEngine(ctx, { flag: null, gpus: plan.machine.gpus });
  // A demo is no reason to fetch a GPU engine: the tiny model runs on the CPU as well.
  return verdict === 'ready' ? plan : demoPlan(['none'], ctx);
}

function localFiles(plan: DeploymentPlan): { model: string; mmproj: string | null } {
  if (plan.engine?.name !== 'llama.cpp') {
    throw new MmdeployError('usage.invalid', `\`${plan.model.id}\` does not run on llama.cpp`, {
      hints: [
        plan.engine === null
          ? 'it runs at its vendor: `mmdeploy estimate` counts and prices it'
          : `start its own engine: \`vllm ${plan.engine.args.join(' ')}\``,
      ],
    });
  }
  const { model, mmproj } = plan.files;
  if ([model, mmproj].some((file) => file !== null && file.path === null)) throw missingFiles(plan);
  return { model: model?.path ?? '', mmproj: mmproj?.path ?? null };
}

async function engineFor(
  what: ServeWhat,
  plan: DeploymentPlan,
  flag: string | null,
  ctx: Context,
): Promise<SelectedEngine> {
  const usesGpu = (plan.settings?.gpuLayers ?? 0) > 0;
  const query = { flag, gpus: usesGpu ? plan.machine.gpus : [] };
  const selected = await (what.kind === 'demo' ? ensureEngine : selectEngine)(ctx, query);
  if (usesGpu) requireGpuEngine(selected);
  for (const warning of selected.warnings) ctx.notice(`warning: ${warning}`);
  return selected;
}

function supervisionFlags(
  args: readonly string[],
  known: readonly string[],
  modelId: string,
): string[] {
  // Without a name of its own a model is called by the path of its file in every answer.
  const flags = [...SUPERVISION_FLAGS, ['--alias', modelId]];
  return flags.filter(([flag = '']) => known.includes(flag) && !args.includes(flag)).flat();
}

function servedModel(plan: DeploymentPlan, loaded: LoadedModel, able: AbleModels): ServedModel {
  const ubatch = plan.settings?.ubatch ?? null;
  const contextTokens = plan.settings?.contextPerSlot ?? null;
  const rulesWith = (imageMaxTokens: number | null) =>
    mediaRules(loaded, { imageMaxTokens, ubatch, contextTokens }, able);
  return {
    rules: rulesWith(plan.settings?.imageMaxTokens ?? null),
    rulesWith,
    slots: plan.settings?.slots ?? 1,
    kvBytesPerToken: kvBytesPerToken(plan),
  };
}

function noFit(plan: DeploymentPlan): MmdeployError {
  return new MmdeployError('fit.none', plan.reasons[0] ?? `\`${plan.model.id}\` does not fit`, {
    hints: [
      ...plan.reasons.slice(1),
      `\`mmdeploy plan ${plan.files.model?.path ?? plan.model.id} --explain\` shows how each number was reached`,
    ],
  });
}
