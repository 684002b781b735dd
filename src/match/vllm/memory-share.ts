import type { DeviceInput } from '../../memory/types.ts';
import { MIB } from '../../units.ts';

/** vLLM's share of a card unless less of it is free (`--gpu-memory-utilization`). */
const DEFAULT_SHARE = 0.9;
/** Its most: the rest is for what it does not count, CUDA graphs of some versions and the driver. */
const MOST_SHARE = 0.95;
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
  /** Above the default, because the model needs it. */
  readonly raised: boolean;
};

/**
 * The share under which vLLM starts on every one of these GPUs: the default, less where less is free, and
 * more only when `needed` bytes of each would not fit otherwise.
 */
export function memoryShare(gpus: readonly DeviceInput[], needed: number): MemoryShare {
  const usual = shareUpTo(gpus, DEFAULT_SHARE);
  const holds = ({ share }: MemoryShare) => gpus.every((gpu) => bytesOfShare(gpu, share) >= needed);
  if (holds(usual)) return usual;
  const most = shareUpTo(gpus, MOST_SHARE);
  return holds(most) && most.share > usual.share ? { ...most, raised: true } : usual;
}

function shareUpTo(gpus: readonly DeviceInput[], most: number): MemoryShare {
  return gpus.reduce<MemoryShare>(
    (least, gpu) => {
      const share = startingShare(gpu, most);
      return share < least.share ? { ...least, share, limitedBy: gpu } : least;
    },
    { share: most, limitedBy: null, raised: false },
  );
}

function startingShare({ freeBytes, capacityBytes }: DeviceInput, most: number): number {
  if (freeBytes === null || capacityBytes === null || capacityBytes === 0) return most;
  const share = (freeBytes - BEFORE_CHECK) / capacityBytes;
  return Math.max(0, Math.floor(share * 100) / 100);
}

/** Bytes that vLLM may use of a GPU under this share. */
export function bytesOfShare({ capacityBytes }: DeviceInput, share: number): number {
  return Math.floor((capacityBytes ?? 0) * share);
}
