import type { ModelDescription, TextModel } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import { hasExperts } from '../layout/layer-kinds.ts';
import { deviceMemory } from '../memory/total.ts';
import type { LaunchSettings } from '../memory/types.ts';
import { cacheFault } from './cache-launch.ts';
import { engineFault } from './engine-limits.ts';
import { imageLaunch } from './launch.ts';
import { mediaSentences } from './media.ts';
import type { Evaluated, Formats, ModelSource, Resources, Wishes } from './types.ts';
import { judge, roomBytes } from './verdict.ts';

/** A point in the search: what may vary beside the wishes. */
export type Point = {
  readonly formats: Formats;
  readonly contextPerSlot: number;
  readonly slots: number;
  readonly gpuLayers: number;
  readonly encoderGpu: number | null;
  /** Cap on the tokens of one image under which the encoder's buffers fit; null: not needed. */
  readonly imageCap: number | null;
};

/** Lays the model out at one point and judges it. It must be self-hosted. */
export function evaluate(
  source: ModelSource,
  resources: Resources,
  wishes: Wishes,
  point: Point,
): Evaluated {
  return evaluateFormatted(source.inFormats(point.formats), resources, wishes, point);
}

/**
 * The same for a model that is already in the formats of the point. What would start and then fail
 * has the verdict `no`, whatever its memory.
 */
export function evaluateFormatted(
  model: ModelDescription,
  resources: Resources,
  wishes: Wishes,
  point: Point,
): Evaluated {
  const text = model.text;
  if (text === null) {
    throw new MmdeployError('plan.invalid', `\`${model.id}\` runs at its vendor: it has no memory`);
  }
  const { ubatch, imageMaxTokens, notes, ...images } = imageLaunch(
    model,
    wishes,
    point.contextPerSlot,
    point.imageCap,
  );
  const settings: LaunchSettings = {
    contextPerSlot: point.contextPerSlot,
    slots: point.slots,
    ...cacheWishes(wishes),
    cpuMoeLayers: expertsOnCpu(text, wishes, point.gpuLayers),
    ubatch,
    gpuLayers: point.gpuLayers,
    imageMaxTokens,
    tensorSplit: wishes.tensorSplit,
  };
  const fault =
    cacheFault(text, settings) ??
    images.fault ??
    engineFault(settings, resources.gpus.length, wishes);
  const devices = deviceMemory({
    ...{ model, text, settings },
    gpus: resources.gpus,
    host: resources.host,
    encoderGpu: point.encoderGpu,
  });
  const offloaded =
    point.gpuLayers <= text.layers ||
    (settings.cpuMoeLayers ?? 0) > 0 ||
    (model.encoder !== null && point.encoderGpu === null);
  return {
    ...{ formats: point.formats, model, settings, devices, fault },
    notes: [...notes, ...mediaSentences(model, 'llama.cpp', wishes)],
    ...{ encoderGpu: point.encoderGpu, imageCap: point.imageCap },
    verdict: fault === null ? judge(devices, offloaded) : 'no',
    roomBytes: Math.min(...devices.map(roomBytes)),
  };
}

/** Where a configuration stands in the search. */
export function pointOf({ formats, settings, encoderGpu, imageCap }: Evaluated): Point {
  const { contextPerSlot, slots, gpuLayers } = settings;
  return { formats, contextPerSlot, slots, gpuLayers, encoderGpu, imageCap };
}

/** What of the wishes the size of the KV cache depends on. */
export function cacheWishes({ kvType, kvTypeV, unifiedKv, swaFull, flashAttention }: Wishes) {
  const keys = kvType ?? 'f16';
  return { kvType: keys, kvTypeV: kvTypeV ?? keys, unifiedKv, swaFull, flashAttention };
}

/** Blocks whose experts are kept from the GPU; none where the model has no experts or no GPU takes part. */
export function expertsOnCpu(text: TextModel, { cpuMoeLayers }: Wishes, gpuLayers: number): number {
  if (cpuMoeLayers === 0 || gpuLayers === 0) return 0;
  const some = text.kvHeads.some((_, layer) => hasExperts(text, layer));
  return some ? Math.min(cpuMoeLayers, text.layers) : 0;
}
