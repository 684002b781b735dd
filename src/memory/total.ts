import type { Basis } from '../contracts/basis.ts';
import type { ModelDescription, TextModel } from '../contracts/model.ts';
import type { DeviceMemory, MemoryItem, Part } from '../contracts/plan.ts';
import { MmdeployError } from '../errors.ts';
import { sum } from '../units.ts';
import type { ComputeParts } from './compute.ts';
import { computeBuffers } from './compute.ts';
import type { EncoderCompute } from './encoder.ts';
import { encoderComputeAtLoad, encoderComputeAtPeak, encoderWeights } from './encoder.ts';
import { kvCache } from './kv-cache.ts';
import { runtimeOverhead } from './runtime.ts';
import type { LayerPlacement } from './split.ts';
import { layersOn, placeLayers } from './split.ts';
import type { DeviceInput, LaunchSettings, PartBytes } from './types.ts';
import { placeWeights } from './weights.ts';

export type MemoryInput = {
  readonly model: ModelDescription;
  readonly text: TextModel;
  readonly settings: LaunchSettings;
  /** GPUs in the engine's order; empty on a CPU-only machine. */
  readonly gpus: readonly DeviceInput[];
  readonly host: DeviceInput;
  /** GPU that holds the encoder; null: the CPU (`--no-mmproj-offload`, or no GPU). */
  readonly encoderGpu: number | null;
};

type Encoder = {
  readonly weights: PartBytes;
  readonly load: EncoderCompute;
  readonly peak: EncoderCompute;
};

/**
 * Memory of each device, GPUs first and the host last. Every byte of llama.cpp's own breakdown is in
 * weights, kv-cache and compute; encoder and runtime stand apart. `afterLoadBytes` is the sum of the
 * items; `peakBytes` replaces the encoder's compute buffer by that of the largest allowed image.
 */
export function deviceMemory(input: MemoryInput): DeviceMemory[] {
  const { gpus, settings, text } = input;
  const shares = settings.tensorSplit ?? gpus.map((gpu) => gpu.freeBytes ?? gpu.capacityBytes ?? 1);
  const placement = placeLayers(text.layers, shares.slice(0, gpus.length), settings);
  const weights = placeWeights(text, placement, settings.cpuMoeLayers);
  const compute = computeBuffers(text, settings, placement, gpus.length);
  const encoder = encoderOf(input);
  const used = gpus.map((_, gpu) => placement.includes(gpu) || input.encoderGpu === gpu);
  const devices = gpus.flatMap((gpu, index) =>
    used[index] === true
      ? [gpuMemory(input, gpu, index, placement, weights.gpus[index] ?? 0, compute, encoder)]
      : [],
  );
  return [...devices, hostMemory(input, placement, weights.host, compute, encoder)];
}

function encoderOf({ model, settings }: MemoryInput): Encoder | null {
  if (model.encoder === null) return null;
  const attention = settings.flashAttention ? 'flash' : 'off';
  return {
    weights: encoderWeights(model.encoder),
    load: encoderComputeAtLoad(model.encoder, attention),
    peak: encoderComputeAtPeak(model.encoder, settings.imageMaxTokens, settings.ubatch, attention),
  };
}

function gpuMemory(
  input: MemoryInput,
  device: DeviceInput,
  index: number,
  placement: LayerPlacement,
  weightBytes: number,
  compute: ComputeParts,
  encoder: Encoder | null,
): DeviceMemory {
  const { model, text, settings } = input;
  const basis = model.basis;
  const items: MemoryItem[] = [];
  if (placement.includes(index)) {
    const layers = layersOn(placement, index);
    const spared = settings.cpuMoeLayers ?? 0;
    items.push(
      item('weights', basis, {
        bytes: weightBytes,
        formula:
          `tensors of ${layers} of ${text.layers} layers` +
          (placement[text.layers] === index ? ' and the output layer' : '') +
          (spared === 0 ? '' : `, without the experts of the first ${spared} layers`),
      }),
      item('kv-cache', basis, kvCache(text, settings, placement, index)),
      item('compute', computeBasis(basis, compute), compute.gpus[index] ?? NOTHING),
    );
  }
  let growth = 0;
  if (encoder !== null && input.encoderGpu === index) {
    items.push(
      item('encoder-weights', encoderWeightsBasis(basis, model), encoder.weights),
      item('encoder-compute', encoderBasis(basis, encoder), encoder.load.device),
    );
    growth = encoder.peak.device.bytes - encoder.load.device.bytes;
  }
  items.push(item('runtime', 'assumed', runtimeOverhead(device.backend)));
  return deviceOf(device, items, growth);
}

function hostMemory(
  input: MemoryInput,
  placement: LayerPlacement,
  weightBytes: number,
  compute: ComputeParts,
  encoder: Encoder | null,
): DeviceMemory {
  const { model, text, settings } = input;
  const basis = model.basis;
  const layers = layersOn(placement, null);
  const spared = settings.cpuMoeLayers ?? 0;
  const items: MemoryItem[] = [
    item('weights', basis, {
      bytes: weightBytes,
      formula: [
        'input embeddings',
        ...(layers === 0 ? [] : [`${layers} layers`]),
        ...(spared === 0 ? [] : [`the experts of the first ${spared} layers`]),
      ].join(' and '),
    }),
  ];
  if (layers > 0) items.push(item('kv-cache', basis, kvCache(text, settings, placement, null)));
  items.push(item('compute', computeBasis(basis, compute), compute.host));
  let growth = 0;
  if (encoder !== null) {
    const here = input.encoderGpu === null;
    if (here)
      items.push(item('encoder-weights', encoderWeightsBasis(basis, model), encoder.weights));
    const load = here ? encoder.load.device : encoder.load.host;
    const peak = here ? encoder.peak.device : encoder.peak.host;
    items.push(item('encoder-compute', encoderBasis(basis, encoder), load));
    growth = peak.bytes - load.bytes;
  }
  items.push(item('runtime', 'assumed', runtimeOverhead('host')));
  return deviceOf(input.host, items, growth);
}

function deviceOf(device: DeviceInput, items: readonly MemoryItem[], growth: number): DeviceMemory {
  const afterLoadBytes = sum(items.map(({ bytes }) => bytes));
  return {
    id: device.id,
    name: device.name,
    capacityBytes: device.capacityBytes,
    freeBytes: device.freeBytes,
    items: [...items],
    afterLoadBytes,
    peakBytes: afterLoadBytes + growth,
  };
}

const NOTHING: PartBytes = { bytes: 0, formula: 'nothing runs here' };

function computeBasis(basis: 'gguf' | 'profile', { known }: ComputeParts): Basis {
  return known ? basis : 'assumed';
}

/** A tower of which only the parameter count is known is one tensor: its bytes are no file's. */
function encoderWeightsBasis(basis: 'gguf' | 'profile', { encoder }: ModelDescription): Basis {
  return encoder !== null && encoder.tensors.length > 1 ? basis : 'assumed';
}

function encoderBasis(basis: 'gguf' | 'profile', encoder: Encoder): Basis {
  return encoder.load.measuredGraph ? basis : 'assumed';
}

/** Throws `plan.invalid` where dimensions and settings come to no number of bytes. */
function item(part: Part, basis: Basis, { bytes, formula }: PartBytes): MemoryItem {
  const whole = Math.round(bytes);
  if (!Number.isSafeInteger(whole) || whole < 0) {
    throw new MmdeployError(
      'plan.invalid',
      `${part} comes to no size that memory has: ${formula}`,
      {
        hints: [
          'give a smaller `--context`, `--slots` or `--ubatch`; or the model file is damaged',
        ],
      },
    );
  }
  return { part, bytes: whole, basis, formula };
}
