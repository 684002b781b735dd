import type { DeviceInput } from '../../memory/types.ts';
import { MIB } from '../../units.ts';

/** vLLM's share of a card unless less of it is free (`--gpu-memory-utilization`). */
const DEFAULT_SHARE = 0.9;
/**
 * vLLM opens its CUDA context and NCCL before it looks at the free memory, and refuses to start when
 * that is less than its share (`Worker.init_device`). Assumed.
 */
const BEFORE_CHECK = 512 * MIB;

export type MemoryShare = {
  /** In hundredths: one value for all GPUs, of the capacity of each. */
  readonly share: number;
  /** The GPU whose free memory sets it; null: the default. */
  readonly limitedBy: DeviceInput | null;
};

/** The share under which vLLM starts on every one of these GPUs. */
export function memoryShare(gpus: readonly DeviceInput[]): MemoryShare {
  return gpus.reduce<MemoryShare>(
    (least, gpu) => {
      const share = startingShare(gpu);
      return share < least.share ? { share, limitedBy: gpu } : least;
    },
    { share: DEFAULT_SHARE, limitedBy: null },
  );
}

function startingShare({ freeBytes, capacityBytes }: DeviceInput): number {
  if (freeBytes === null || capacityBytes === null || capacityBytes === 0) return DEFAULT_SHARE;
  const share = (freeBytes - BEFORE_CHECK) / capacityBytes;
  return Math.max(0, Math.floor(share * 100) / 100);
}

/** Bytes that vLLM may use of a GPU under this share. */
export function bytesOfShare({ capacityBytes }: DeviceInput, share: number): number {
  return Math.floor((capacityBytes ?? 0) * share);
}
