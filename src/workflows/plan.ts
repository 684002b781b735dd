import type { Machine } from '../contracts/machine.ts';
import type { Candidate, DeploymentPlan, Survey } from '../contracts/plan.ts';
import { SURVEY_SCHEMA } from '../contracts/plan.ts';
import type { EngineName } from '../contracts/basis.ts';
import type { ModelDescription } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import type { Gap } from '../match/media.ts';
import { workloadGap } from '../match/media.ts';
import { alternativesTo } from '../match/alternatives.ts';
import { mendingChanges } from '../match/changes.ts';
import { checkShares, idleFlags, refuseSettings } from '../match/idle-flags.ts';
import { resourcesOf } from '../match/resources.ts';
import type { Requirement } from '../match/require.ts';
import { checkRequirements } from '../match/require.ts';
import { isGoodQuant, search } from '../match/search.ts';
import type { Evaluated, Wishes } from '../match/types.ts';
import { VLLM_FORMATS } from '../memory/vllm/formats.ts';
import { apiCandidate, llamaCppCandidate, toPlan } from '../plan/build.ts';
import { sum } from '../units.ts';
import type { Context } from './context.ts';
import { engineFacts } from './engine.ts';
import type { MachineRequest } from './machine.ts';
import { resolveMachine } from './machine.ts';
import type { LoadedModel, ModelRequest } from './model.ts';
import { commandName, loadModel, profileFolders, profileModel } from './model.ts';
import { senseless } from './senses.ts';
import { planOnVllm, scaleOutOf } from './vllm.ts';

export type PlanRequest = {
  readonly model: ModelRequest;
  readonly machine: MachineRequest;
  readonly wishes: Wishes;
  readonly engine: EngineName | 'auto';
  /** `--require`: each is checked against the plan that comes out. */
  readonly requirements: readonly Requirement[];
};

/** The plan of one model on one machine; a model that fits nowhere is a plan with the verdict `no`. */
export async function planWorkflow(request: PlanRequest, ctx: Context): Promise<DeploymentPlan> {
  const [machine, model] = await Promise.all([
    resolveMachine(request.machine, ctx),
    loadModel(request.model, ctx),
  ]);
  const gap = gapOf(model, request);
  if (gap !== null) throw await senseless(gap, ctx);
  const candidate = runsAtVendor(model)
    ? await planAtVendor(model, request, ctx)
    : candidateOf(model, machine, request.wishes, request.engine);
  const { requirements } = request;
  const contextMax = model.source.model.text?.contextMax ?? 0;
  const checked =
    requirements.length === 0
      ? {}
      : { requirements: checkRequirements(requirements, candidate, contextMax) };
  return toPlan(machine, { ...(await withEngine(candidate, machine)), ...checked });
}

function runsAtVendor({ source: { model } }: LoadedModel): boolean {
  return model.engines.includes('api') || model.text === null;
}

async function planAtVendor(
  loaded: LoadedModel,
  { model, wishes, engine }: PlanRequest,
  ctx: Context,
): Promise<Candidate> {
  engineFor(loaded, engine);
  const { source, warnings } = loaded;
  refuseSettings(source.model, wishes);
  const { loadPrices } = await import('../profiles/load.ts');
  // Counts a request, chat template and all: more code than the rest of a plan.
  const { hostedCandidate } = await import('./plan-hosted.ts');
  const prices = await loadPrices(profileFolders(ctx, model.profilesDir));
  const { listPrice } = await import('./estimate-price.ts');
  const price = await listPrice(prices, { id: source.model.id, provider: null, day: ctx.now() });
  const candidate = hostedCandidate(source.model, wishes.workload, price, ctx.now());
  return { ...candidate, warnings: [...warnings, ...candidate.warnings] };
}

/** A sense that the workload needs and the model has not, on the engine that would be planned. */
function gapOf(
  loaded: LoadedModel,
  { wishes, engine }: Pick<PlanRequest, 'wishes' | 'engine'>,
): Gap | null {
  const { model } = loaded.source;
  const hosted = model.engines.includes('api') || model.text === null;
  return workloadGap(model, hosted ? 'api' : engineFor(loaded, engine), wishes.workload);
}

/** What is known of the engine: the oldest build that will do, and whether the one here sees the GPUs. */
async function withEngine(candidate: Candidate, machine: Machine): Promise<Candidate> {
  if (candidate.engine?.name !== 'llama.cpp') return candidate;
  const { minBuild, warnings } = await engineFacts(machine);
  const usesGpu = (candidate.settings?.gpuLayers ?? 0) > 0;
  return {
    ...candidate,
    engine: { ...candidate.engine, minVersion: `b${minBuild}` },
    warnings: [...candidate.warnings, ...(usesGpu ? warnings : [])],
  };
}

/** Every profile that can take the workload on this machine: best verdict first, then Q4_K_M or better, then the larger model. */
export async function surveyWorkflow(
  request: Omit<PlanRequest, 'model'> & { readonly profilesDir: string | null },
  ctx: Context,
): Promise<Survey> {
  const { loadProfiles } = await import('../profiles/load.ts');
  const [machine, { profiles }] = await Promise.all([
    resolveMachine(request.machine, ctx),
    loadProfiles(profileFolders(ctx, request.profilesDir)),
  ]);
  const order = ['fits', 'tight', 'offload', 'api', 'no'];
  const surveyed = profiles
    .filter(({ id, engines }) => id !== 'demo' && runsOn(engines, request.engine))
    .map((profile) => profileModel(profile))
    .filter((loaded) => gapOf(loaded, request) === null)
    .map((loaded) => ({ loaded, ...surveyOf(loaded, machine, request) }));
  const refused = surveyed.find(({ refusal }) => refusal !== null)?.refusal ?? null;
  if (refused !== null && surveyed.every(({ refusal }) => refusal !== null)) throw refused;
  const candidates = surveyed
    .flatMap(({ loaded, candidate }) => {
      if (candidate === null) return [];
      const poor = isGoodQuant(candidate.settings?.quant ?? null) ? 0 : 0.5;
      return [{ candidate, rank: order.indexOf(candidate.verdict) + poor, size: sizeOf(loaded) }];
    })
    .sort((a, b) => a.rank - b.rank || b.size - a.size)
    .map(({ candidate }) => candidate);
  return { schema: SURVEY_SCHEMA, machine, candidates };
}

/** A line of the survey; `refusal` where vLLM runs the model and has not what was asked for. */
function surveyOf(
  loaded: LoadedModel,
  machine: Machine,
  { wishes, engine }: Pick<PlanRequest, 'wishes' | 'engine'>,
): { readonly candidate: Candidate | null; readonly refusal: MmdeployError | null } {
  try {
    return { candidate: candidateOf(loaded, machine, wishes, engine, 'survey'), refusal: null };
  } catch (error) {
    const onVllm = engineFor(loaded, engine) === 'vllm';
    if (!onVllm || !(error instanceof MmdeployError)) throw error;
    return { candidate: null, refusal: error };
  }
}

function runsOn(engines: readonly EngineName[], asked: EngineName | 'auto'): boolean {
  return asked === 'auto' || engines.includes(asked);
}

/** Parameters of the language model: of two that fit alike, the larger one is the better. */
function sizeOf({ source }: LoadedModel): number {
  const tensors = source.model.text?.tensors ?? [];
  return sum(tensors.map(({ shape }) => shape.reduce((a, b) => a * b, 1)));
}

function candidateOf(
  loaded: LoadedModel,
  machine: Machine,
  wishes: Wishes,
  engine: EngineName | 'auto',
  // A survey shows one line for each model: what else there is would cost more than the search.
  detail: 'full' | 'survey' = 'full',
): Candidate {
  const { model } = loaded.source;
  const chosenEngine = engineFor(loaded, engine);
  if (runsAtVendor(loaded)) return apiCandidate(model);
  const resources = resourcesOf(machine);
  const full = detail === 'full';
  if (chosenEngine === 'vllm') {
    const warnings = [...loaded.warnings, ...resources.warnings];
    return planOnVllm({ loaded, resources, wishes, asked: engine, warnings, full });
  }
  refuseVllmFormats(model, wishes);
  checkShares(resources, wishes);
  const chosen = search(loaded.source, resources, wishes);
  const mendable =
    chosen.verdict === 'no' || (chosen.verdict === 'offload' && resources.gpus.length > 0);
  const outgrown = full && mendable && resources.gpus.length > 0;
  return llamaCppCandidate({
    scaleOut: outgrown ? scaleOutOf(loaded, resources, wishes, chosen.verdict) : null,
    model: chosen.model,
    chosen,
    alternatives: full ? alternativesTo(loaded.source, resources, wishes, chosen) : [],
    changes: full && mendable ? mendingChanges(loaded.source, resources, wishes, chosen) : [],
    files: loaded.files(chosen.formats),
    warnings: [
      ...loaded.warnings,
      ...resources.warnings,
      ...contextWarnings(chosen),
      ...idleFlags(chosen.model, resources, wishes),
    ],
  });
}

/** `--engine`, or the first that the model runs on. Throws `usage.invalid` for one that cannot run it. */
export function engineFor(
  { source, profile, headers }: Pick<LoadedModel, 'source' | 'profile' | 'headers'>,
  asked: EngineName | 'auto',
): EngineName {
  const { engines, id } = source.model;
  if (asked === 'auto') return profile?.defaultEngine ?? engines[0] ?? 'llama.cpp';
  if (engines.includes(asked)) return asked;
  const where = engines.includes('api')
    ? `it runs at its vendor: \`mmdeploy estimate --model ${id}\` counts and prices it`
    : `it runs on ${engines.join(', ')}: \`mmdeploy plan ${commandName({ source, headers })} --engine ${engines[0] ?? 'auto'}\``;
  throw new MmdeployError('usage.invalid', `\`${id}\` does not run on ${asked}`, {
    hints: [where],
  });
}

function contextWarnings({ model, settings }: Evaluated): string[] {
  const most = model.text?.contextMax ?? 0;
  if (settings.contextPerSlot <= most) return [];
  return [
    `${settings.contextPerSlot} tokens of context are more than the ${most} the model was trained for`,
  ];
}

/** Formats that only vLLM has: the search would look for them among the GGUF formats. */
function refuseVllmFormats({ id, engines }: ModelDescription, { quant, kvType }: Wishes): void {
  const asked =
    quant !== null && quant !== 'BF16' && VLLM_FORMATS.some((format) => format === quant)
      ? `--quant ${quant}`
      : kvType === 'fp8'
        ? '--kv-type fp8'
        : null;
  if (asked === null) return;
  throw new MmdeployError('usage.unknown-quant', `\`${asked}\` is vLLM's, not llama.cpp's`, {
    hints: [
      engines.includes('vllm')
        ? `\`mmdeploy plan ${id} --engine vllm ${asked}\``
        : 'the nearest of llama.cpp is `--quant Q8_0`, and `--kv-type q8_0` for the cache',
    ],
  });
}
