import type { Machine } from '../contracts/machine.ts';
import type { ModelDescription } from '../contracts/model.ts';
import type { Candidate, DeploymentPlan, ScaleOut } from '../contracts/plan.ts';
import { PLAN_SCHEMA } from '../contracts/plan.ts';
import { llamaServerArgs } from '../engines/llama-cpp.ts';
import type { Alternative } from '../match/alternatives.ts';
import type { Change } from '../match/changes.ts';
import type { Evaluated } from '../match/types.ts';
import type { PlanFiles } from './files.ts';
import { fileArgument, ownFileName, toMakeWarnings, unknownFileWarnings } from './files.ts';
import { reasonsFor } from './reasons.ts';

export type PlanInput = {
  readonly model: ModelDescription;
  readonly chosen: Evaluated;
  readonly alternatives: readonly Alternative[];
  /** What would make a plan that does not fit fit. */
  readonly changes: readonly Change[];
  readonly files: PlanFiles;
  readonly warnings: readonly string[];
  /** What holds it where this machine does not; null: nothing is proposed. */
  readonly scaleOut: ScaleOut | null;
};

/** Where every plan listens unless a target or `serve` says otherwise. */
const DEFAULT_LISTEN = { host: '127.0.0.1', port: 8080 } as const;

/** The plan of a model on llama.cpp: plain data that `serve` and the targets read again. */
export function llamaCppCandidate(input: PlanInput): Candidate {
  const { chosen, files, model } = input;
  const { settings, formats } = chosen;
  const ctxSize = settings.contextPerSlot * settings.slots;
  const { kvType, kvTypeV = kvType, unifiedKv = false, swaFull = false } = settings;
  const cache = { kvTypeV, unifiedKv, swaFull };
  const cpuMoeLayers = settings.cpuMoeLayers ?? 0;
  const named = {
    model: ownFileName(model.id, 'model', formats.quant),
    mmproj: ownFileName(model.id, 'mmproj', formats.encoderQuant ?? 'F16'),
  };
  const args = llamaServerArgs({
    ...DEFAULT_LISTEN,
    model: fileArgument(files.model, named.model),
    mmproj: files.mmproj === null ? null : fileArgument(files.mmproj, named.mmproj),
    alias: model.id,
    ctxSize,
    slots: settings.slots,
    gpuLayers: settings.gpuLayers,
    ubatch: settings.ubatch,
    kvType: settings.kvType,
    ...cache,
    cpuMoeLayers,
    flashAttention: settings.flashAttention,
    imageMaxTokens: settings.imageMaxTokens,
    tensorSplit: settings.tensorSplit,
    encoderOnGpu: chosen.encoderGpu !== null,
  });
  return {
    model: modelSummary(model),
    files: { model: files.model, mmproj: files.mmproj },
    settings: {
      quant: formats.quant,
      encoderQuant: formats.encoderQuant,
      contextPerSlot: settings.contextPerSlot,
      slots: settings.slots,
      ctxSize,
      kvType: settings.kvType,
      kvTypeV: cache.kvTypeV,
      kvUnified: cache.unifiedKv,
      swaFull: cache.swaFull,
      cpuMoeLayers,
      flashAttention: settings.flashAttention,
      ubatch: settings.ubatch,
      gpuLayers: settings.gpuLayers,
      imageMaxTokens: settings.imageMaxTokens,
    },
    memory: { devices: [...chosen.devices] },
    verdict: chosen.verdict,
    reasons: reasonsFor(chosen, input.changes),
    warnings: [
      ...input.warnings,
      ...toMakeWarnings(files, formats),
      ...unknownFileWarnings(files, named),
    ],
    engine: { name: 'llama.cpp', minVersion: null, args },
    alternatives: input.alternatives.map(alternative),
    ...(input.scaleOut === null ? {} : { scaleOut: input.scaleOut }),
  };
}

/** An API model's plan: nothing to lay out, nothing to start. */
export function apiCandidate(model: ModelDescription): Candidate {
  return {
    model: modelSummary(model),
    files: { model: null, mmproj: null },
    settings: null,
    memory: { devices: [] },
    verdict: 'api',
    reasons: [`\`${model.id}\` runs at its vendor: it needs no memory here`],
    warnings: [],
    engine: null,
    alternatives: [],
  };
}

export function toPlan(machine: Machine, candidate: Candidate): DeploymentPlan {
  return { schema: PLAN_SCHEMA, machine, ...candidate };
}

export function modelSummary(model: ModelDescription): Candidate['model'] {
  return {
    id: model.id,
    name: model.name,
    family: model.family,
    modalities: [...model.modalities],
    engines: [...model.engines],
  };
}

function alternative({
  result: evaluated,
  gains,
  givesUp,
}: Alternative): Candidate['alternatives'][number] {
  const gpus = evaluated.devices.filter(({ id }) => id !== 'host');
  const counted = gpus.length > 0 ? gpus : evaluated.devices;
  return {
    quant: evaluated.formats.quant,
    contextPerSlot: evaluated.settings.contextPerSlot,
    slots: evaluated.settings.slots,
    imageMaxTokens: evaluated.settings.imageMaxTokens,
    peakBytes: counted.reduce((total, device) => total + device.peakBytes, 0),
    verdict: evaluated.verdict,
    gains: [...gains],
    givesUp: [...givesUp],
  };
}
