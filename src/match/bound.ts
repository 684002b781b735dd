import type { ModelDescription, TextModel } from '../contracts/model.ts';
import { kvCache } from '../memory/kv-cache.ts';
import type { DeviceInput } from '../memory/types.ts';
import { placeWeights, tensorsBytes } from '../memory/weights.ts';
import { sum } from '../units.ts';
import { cacheWishes, expertsOnCpu } from './evaluate.ts';
import type { Point } from './evaluate.ts';
import type { Resources, Wishes } from './types.ts';
import { usableBytes } from './verdict.ts';

/**
 * Bytes that the GPUs need in all whatever the compute buffers come to: weights of the blocks that go
 * there, their KV cache, the encoder. Laying out a graph takes a hundred times as long as this sum.
 */
function leastGpuBytes(model: ModelDescription, wishes: Wishes, point: Point): number {
  const { text, encoder } = model;
  if (text === null) return 0;
  const placement = Array.from({ length: text.layers + 1 }, (_, layer) =>
    layer >= text.layers + 1 - point.gpuLayers ? 0 : null,
  );
  const cache = kvCache(text, { ...point, ...cacheWishes(wishes) }, placement, 0).bytes;
  const encoderBytes =
    encoder === null || point.encoderGpu === null ? 0 : encoderWeights(encoder.tensors);
  const spared = expertsOnCpu(text, wishes, point.gpuLayers);
  return textWeights(text, placement, spared) + cache + encoderBytes;
}

/** True when the point cannot fit on these GPUs, however it is laid out. */
export function isTooLarge(
  model: ModelDescription,
  resources: Resources,
  wishes: Wishes,
  point: Point,
): boolean {
  if (resources.gpus.length === 0) return false;
  return leastGpuBytes(model, wishes, point) > usableOf(resources.gpus);
}

function usableOf(gpus: readonly DeviceInput[]): number {
  return sum(gpus.map((gpu) => usableBytes(gpu) ?? Infinity));
}

type Tensors = TextModel['tensors'];
/** The search asks for the same tensors at many contexts and slots. */
const whole = new WeakMap<Tensors, number>();
const encoders = new WeakMap<Tensors, number>();

function encoderWeights(tensors: Tensors): number {
  const known = encoders.get(tensors) ?? tensorsBytes(tensors);
  encoders.set(tensors, known);
  return known;
}

function textWeights(
  text: TextModel,
  placement: readonly (number | null)[],
  cpuMoeLayers: number,
): number {
  const all = !placement.includes(null) && cpuMoeLayers === 0;
  const known = all ? whole.get(text.tensors) : undefined;
  if (known !== undefined) return known;
  const bytes = placeWeights(text, placement, cpuMoeLayers).gpus[0] ?? 0;
  if (all) whole.set(text.tensors, bytes);
  return bytes;
}
