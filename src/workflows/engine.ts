import { ENGINES_SCHEMA } from '../contracts/engine.ts';
import type { EngineChoice, EngineList, UnusableEngine } from '../contracts/engine.ts';
import type { EngineFound, Gpu, Machine } from '../contracts/machine.ts';
import { loadEngineCatalogue } from '../engine/catalogue.ts';
import type { LlamaCppCatalogue } from '../engine/catalogue.ts';
import { chooseEngine, missingFeatures, missingRequired } from '../engine/choose.ts';
import { brokenEngine, lacksFlags, notFound, tooOld } from '../engine/engine-errors.ts';
import { findEngines } from '../engine/find.ts';
import { probeEngine } from '../engine/probe.ts';
import { MmdeployError } from '../errors.ts';
import type { Context } from './context.ts';

export type EngineQuery = {
  /** `--llama-server FILE`. */
  readonly flag: string | null;
  /** The GPUs of the machine that the engine is for; none asks for no GPU. */
  readonly gpus: readonly Gpu[];
};

/** Every llama-server of this machine, and the one that would be used. Never throws for want of one. */
export async function listEngines(ctx: Context, query: EngineQuery): Promise<EngineList> {
  const { llamaCpp } = await loadEngineCatalogue();
  return search(ctx, query, llamaCpp);
}

async function search(
  ctx: Context,
  query: EngineQuery,
  catalogue: LlamaCppCatalogue,
): Promise<EngineList> {
  const unusable: UnusableEngine[] = [];
  const engines = await findEngines({
    ...ctx,
    flag: query.flag,
    cacheFolder: ctx.folders.cache,
    dataFolder: ctx.folders.data,
    onUnusable: (engine) => unusable.push(engine),
  });
  const choice = chooseEngine(engines, query, catalogue);
  return { schema: ENGINES_SCHEMA, engines, unusable, choice };
}

export type SelectedEngine = {
  readonly engine: EngineFound;
  /** Every flag of its `--help`: what the argv builder may emit. */
  readonly flags: readonly string[];
  readonly verdict: 'ready' | 'cpu-only';
  readonly why: string;
  /** One line each: GPUs that it does not show, features that its build lacks. */
  readonly warnings: readonly string[];
};

/**
 * The llama-server to use. Throws `engine.not-found` (also when the one that was named by flag or
 * environment cannot be used) and `engine.too-old`, each with the command that helps.
 */
export async function selectEngine(ctx: Context, query: EngineQuery): Promise<SelectedEngine> {
  const { llamaCpp } = await loadEngineCatalogue();
  const { choice, unusable } = await search(ctx, query, llamaCpp);
  const broken = unusable.find(({ source }) => source === 'flag' || source === 'env');
  if (broken !== undefined) throw brokenEngine(broken);
  if (choice.kind === 'none') throw notFound(unusable);
  if (choice.kind === 'too-old') throw tooOld(choice);
  const probe = await probeEngine(choice.engine.path, { ...ctx, cacheFolder: ctx.folders.cache });
  if (probe.kind === 'unusable') throw brokenEngine({ ...probe, source: choice.engine.source });
  const missing = missingRequired(probe.flags, llamaCpp.requiredFlags);
  if (missing.length > 0) throw lacksFlags(choice.engine, missing);
  const lacks = missingFeatures(probe, llamaCpp.flags);
  const warnings = choice.kind === 'cpu-only' ? [cpuOnlyLine(choice), ...lacks] : lacks;
  const { engine, kind, why } = choice;
  return { engine, flags: probe.flags, verdict: kind, why, warnings };
}

/** What `plan` adds to its warnings: an engine without the GPUs, and the command that helps. */
function cpuOnlyLine(choice: Extract<EngineChoice, { kind: 'cpu-only' }>): string {
  const gpus = choice.gpus.join(', ');
  return `${choice.engine.path} does not show the GPU (${gpus}) and would run on the CPU: \`mmdeploy engine install\` gets one that does`;
}

/** What a plan says of engines: the oldest build that will do, and a warning where none here sees the GPUs. */
export async function engineFacts(
  machine: Pick<Machine, 'gpus' | 'engines'>,
): Promise<{ readonly minBuild: number; readonly warnings: readonly string[] }> {
  const { llamaCpp } = await loadEngineCatalogue();
  const choice = chooseEngine(machine.engines, machine, llamaCpp);
  return {
    minBuild: llamaCpp.minBuild,
    warnings: choice.kind === 'cpu-only' ? [cpuOnlyLine(choice)] : [],
  };
}

/** The engine of a machine that would be used; null where there is none. */
export async function engineOf(
  machine: Pick<Machine, 'gpus' | 'engines'>,
): Promise<EngineFound | null> {
  const { llamaCpp } = await loadEngineCatalogue();
  const choice = chooseEngine(machine.engines, machine, llamaCpp);
  return choice.kind === 'none' || choice.kind === 'too-old' ? null : choice.engine;
}

/** What `serve` does before it starts a GPU plan. Throws `engine.no-gpu`. */
export function requireGpuEngine(selected: SelectedEngine): void {
  if (selected.verdict === 'ready') return;
  throw new MmdeployError(
    'engine.no-gpu',
    `the plan uses the GPU, but ${selected.engine.path} shows none of this machine's GPUs`,
    {
      hints: [
        `install one that does: \`mmdeploy engine install\`${stillNamed(selected)}`,
        'or run on the CPU: give the same command `--gpu none`',
      ],
    },
  );
}

/** An engine that is named wins over an installed one for as long as it is named. */
function stillNamed({ engine }: SelectedEngine): string {
  if (engine.source === 'flag') return ', and leave `--llama-server` out';
  return engine.source === 'env' ? ', then `unset MMDEPLOY_LLAMA_SERVER`' : '';
}

/** Path of the llama-server to use. Throws as `selectEngine`. */
export async function enginePath(ctx: Context, flag: string | null = null): Promise<string> {
  return (await selectEngine(ctx, { flag, gpus: [] })).engine.path;
}
