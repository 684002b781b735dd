import type { ModelDescription, TextModel } from '../contracts/model.ts';
import type { DeviceMemory } from '../contracts/plan.ts';
import { leastBlockBytes } from '../layout/quantise.ts';
import { encoderWeights } from '../memory/encoder.ts';
import { kvCacheBytes } from '../memory/kv-cache.ts';
import type { DeviceInput } from '../memory/types.ts';
import { placeWeights } from '../memory/weights.ts';
import { sum } from '../units.ts';
import { cacheWishes, expertsOnCpu } from './evaluate.ts';
import type { Point } from './evaluate.ts';
import type { Evaluated, ModelSource, Resources, Wishes } from './types.ts';
import { comfortBytes, usableBytes } from './verdict.ts';

/**
 * Bytes that the GPUs in all and the host need whatever the compute buffers come to: weights of the blocks
 * that go there, their KV cache, the encoder. Laying out a graph takes a hundred times as long as this sum.
 */
function leastBytes(model: ModelDescription, wishes: Wishes, point: Point): Least {
  const { text, encoder } = model;
  if (text === null) return { gpus: 0, host: 0 };
  const placement = Array.from({ length: text.layers + 1 }, (_, layer) =>
    layer >= text.layers + 1 - point.gpuLayers ? 0 : null,
  );
  const settings = { ...point, ...cacheWishes(wishes) };
  const cache = (where: number | null) => kvCacheBytes(text, settings, placement, where);
  const tower = encoder === null ? 0 : encoderWeights(encoder).bytes;
  const weights = textWeights(text, placement, expertsOnCpu(text, wishes, point.gpuLayers));
  const onGpu = point.encoderGpu !== null;
  return {
    gpus: weights.gpus + cache(0) + (onGpu ? tower : 0),
    host: weights.host + cache(null) + (onGpu ? 0 : tower),
  };
}

/** True when the point cannot fit on these devices, however it is laid out. */
export function isTooLarge(
  model: ModelDescription,
  resources: Resources,
  wishes: Wishes,
  point: Point,
): boolean {
  return exceeds(resources, leastBytes(model, wishes, point), ['gpus', 'host']);
}

/**
 * The same for a point beside `base` with more context or slots, which is to fit with room to spare: compute
 * buffers never shrink with either, so what `base` needs beyond the sum is needed there too.
 */
export function isTooLargeBeside(
  base: Evaluated,
  resources: Resources,
  wishes: Wishes,
  at: Point,
  point: Point,
): boolean {
  const before = leastBytes(base.model, wishes, at);
  const least = leastBytes(base.model, wishes, point);
  const beyond = ({ id, peakBytes }: DeviceMemory, part: keyof Least) =>
    (id === 'host') === (part === 'host') ? peakBytes : 0;
  const needed = (part: keyof Least) =>
    least[part] - before[part] + sum(base.devices.map((device) => beyond(device, part)));
  const { gpus, host } = resources;
  const room = sum((gpus.length > 0 ? gpus : [host]).map(comfortBytes));
  const wanted = {
    gpus: needed('gpus') + (gpus.length > 0 ? room : 0),
    host: needed('host') + (gpus.length > 0 ? 0 : room),
  };
  return exceeds(resources, wanted, ['gpus', 'host']);
}

/**
 * True when a quant cannot fit wherever its blocks go, told before the model is laid out in it: `onGpus`
 * when all of them are to go to the GPUs.
 */
export function isQuantTooLarge(
  { model }: ModelSource,
  quant: string,
  { gpus, host }: Resources,
  onGpus: boolean,
): boolean {
  // What a file holds is counted as it lies there.
  if (model.text === null || model.basis === 'gguf') return false;
  const usable = usableOf(gpus) + (onGpus ? 0 : (usableBytes(host) ?? Infinity));
  return leastBlockBytes(model.text.tensors, quant) > usable;
}

/** The same for the GPUs alone: with fewer layers there it may fit. */
export function isTooLargeForGpus(
  model: ModelDescription,
  resources: Resources,
  wishes: Wishes,
  point: Point,
): boolean {
  return exceeds(resources, leastBytes(model, wishes, point), ['gpus']);
}

/** True when GPUs and host together cannot hold the model, wherever its layers go. */
export function isTooLargeInAll(
  model: ModelDescription,
  resources: Resources,
  wishes: Wishes,
  point: Point,
): boolean {
  const least = leastBytes(model, wishes, { ...point, gpuLayers: 0, encoderGpu: null });
  const usable = usableOf(resources.gpus) + (usableBytes(resources.host) ?? Infinity);
  return least.gpus + least.host > usable;
}

type Least = { readonly gpus: number; readonly host: number };

function exceeds(
  { gpus, host }: Resources,
  least: Least,
  parts: readonly (keyof Least)[],
): boolean {
  const usable = {
    gpus: gpus.length === 0 ? Infinity : usableOf(gpus),
    host: usableBytes(host) ?? Infinity,
  };
  return parts.some((part) => least[part] > usable[part]);
}

function usableOf(gpus: readonly DeviceInput[]): number {
  return sum(gpus.map((gpu) => usableBytes(gpu) ?? Infinity));
}

type Tensors = TextModel['tensors'];
/** The search asks for the same tensors at many contexts and slots. */
const placed = new WeakMap<Tensors, Map<string, Least>>();

/** All GPUs taken as one: how many layers are there decides, and how many keep their experts elsewhere. */
function textWeights(
  text: TextModel,
  placement: readonly (number | null)[],
  cpuMoeLayers: number,
): Least {
  const known = placed.get(text.tensors) ?? new Map<string, Least>();
  placed.set(text.tensors, known);
  const key = `${placement.filter((where) => where !== null).length} ${cpuMoeLayers}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const { gpus, host } = placeWeights(text, placement, cpuMoeLayers);
  const found = { gpus: gpus[0] ?? 0, host };
  known.set(key, found);
  return found;
}
