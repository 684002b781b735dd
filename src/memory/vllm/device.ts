import type { Basis } from '../../contracts/basis.ts';
import type { ModelDescription, TextModel } from '../../contracts/model.ts';
import type { DeviceMemory, MemoryItem, Part } from '../../contracts/plan.ts';
import { MIB, sum } from '../../units.ts';
import type { DeviceInput, PartBytes } from '../types.ts';
import { encoderActivations, textActivations } from './activations.ts';
import { vllmKvCache } from './kv-cache.ts';
import type { VllmSettings } from './settings.ts';
import { encoderWeights, textWeights } from './weights.ts';

/** CUDA context, cuBLAS and CUDA graphs; what vLLM itself calls non-torch memory. */
const RUNTIME_BYTES = 1024 * MIB;
/** Buffers of NCCL and of vLLM's own all-reduce, on each of several GPUs. */
const COMMUNICATION_BYTES = 512 * MIB;

/**
 * What vLLM needs of one GPU. Its rule is total x gpu-memory-utilization - weights - peak activation -
 * non-torch = KV cache (`Worker.determine_available_memory`), so the items are the least that must fit
 * under its share of the card; whatever is left of the share becomes KV cache as well. All GPUs of a
 * tensor-parallel group need the same.
 */
export function vllmMemory(
  model: ModelDescription,
  text: TextModel,
  settings: VllmSettings,
  device: DeviceInput,
): DeviceMemory {
  const items = vllmItems(model, text, settings);
  const total = sum(items.map(({ bytes }) => bytes));
  return {
    id: device.id,
    name: device.name,
    capacityBytes: device.capacityBytes,
    freeBytes: device.freeBytes,
    items,
    afterLoadBytes: total,
    // vLLM profiles with its largest image at start, so nothing grows afterwards.
    peakBytes: total,
  };
}

function vllmItems(
  { basis, encoder }: ModelDescription,
  text: TextModel,
  settings: VllmSettings,
): MemoryItem[] {
  const { ranks, stages, encoderSplit } = settings;
  const sees =
    encoder === null
      ? []
      : [
          item('encoder-weights', basis, encoderWeights(encoder, ranks, encoderSplit)),
          item('encoder-compute', 'assumed', encoderActivations(encoder, text, settings)),
        ];
  return [
    item('weights', basis, textWeights(text, settings.scheme, ranks, stages)),
    item('kv-cache', basis, vllmKvCache(text, settings)),
    item('compute', 'assumed', textActivations(text, settings)),
    ...sees,
    item('runtime', 'assumed', runtime(ranks * stages)),
  ];
}

function runtime(gpus: number): PartBytes {
  const one = 'CUDA context, cuBLAS and CUDA graphs: 1 GiB';
  if (gpus === 1) return { bytes: RUNTIME_BYTES, formula: one };
  return {
    bytes: RUNTIME_BYTES + COMMUNICATION_BYTES,
    formula: `${one}; NCCL and all-reduce buffers: 512 MiB`,
  };
}

function item(part: Part, basis: Basis, { bytes, formula }: PartBytes): MemoryItem {
  return { part, bytes: Math.round(bytes), basis, formula };
}
