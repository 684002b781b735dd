import type { ModelDescription } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import { deviceMemory } from '../memory/total.ts';
import type { LaunchSettings } from '../memory/types.ts';
import { imageLaunch } from './launch.ts';
import type { Evaluated, Formats, ModelSource, Resources, Wishes } from './types.ts';
import { judge, roomBytes } from './verdict.ts';

/** A point in the search: what may vary beside the wishes. */
export type Point = {
  readonly formats: Formats;
  readonly contextPerSlot: number;
  readonly slots: number;
  readonly gpuLayers: number;
  readonly encoderGpu: number | null;
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
  const { ubatch, imageMaxTokens, notes, fault } = imageLaunch(model, wishes, point.contextPerSlot);
  const settings: LaunchSettings = {
    contextPerSlot: point.contextPerSlot,
    slots: point.slots,
    kvType: wishes.kvType ?? 'f16',
    ubatch,
    gpuLayers: point.gpuLayers,
    flashAttention: true,
    imageMaxTokens,
    tensorSplit: wishes.tensorSplit,
  };
  const devices = deviceMemory({
    ...{ model, text, settings },
    gpus: resources.gpus,
    host: resources.host,
    encoderGpu: point.encoderGpu,
  });
  const offloaded =
    point.gpuLayers <= text.layers || (model.encoder !== null && point.encoderGpu === null);
  return {
    ...{ formats: point.formats, model, settings, encoderGpu: point.encoderGpu, devices },
    ...{ notes, fault },
    verdict: fault === null ? judge(devices, offloaded) : 'no',
    roomBytes: Math.min(...devices.map(roomBytes)),
  };
}
