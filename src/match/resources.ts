import type { Gpu, Machine } from '../contracts/machine.ts';
import type { DeviceInput } from '../memory/types.ts';
import type { Resources } from './types.ts';

export type MatchedResources = Resources & {
  /** GPUs that take no part, with the reason. */
  readonly warnings: readonly string[];
};

/**
 * The devices of a machine that one copy of an engine may use. A GPU whose memory nobody reports cannot be
 * planned on, and not every GPU can be used beside a MIG instance.
 */
export function resourcesOf(machine: Machine): MatchedResources {
  const known = machine.gpus.filter(({ totalBytes }) => totalBytes !== null);
  const unknown = machine.gpus.filter(({ totalBytes }) => totalBytes === null);
  const gpus = visibleTogether(known);
  const apart = known.filter((gpu) => !gpus.includes(gpu));
  return {
    gpus: gpus.map(deviceOf),
    host: hostOf(machine),
    warnings: [
      ...unknown.map(
        ({ id, name }) => `${id} (${name}) is left out: its memory is not known to any tool here`,
      ),
      ...(apart.length === 0 ? [] : [leftApart(gpus, apart)]),
    ],
  };
}

/**
 * What a process of CUDA sees at once: a single MIG instance and no whole card beside it, or the whole cards;
 * of these, those with the most memory. Since CUDA 12 with driver R570 it may see an instance of each GPU
 * instance (MIG user guide, CUDA Device Enumeration), but they do not reach each other's memory, and the same
 * guide still lists the old limit: no plan counts on several.
 */
function visibleTogether(gpus: readonly Gpu[]): readonly Gpu[] {
  const instances = gpus.filter(({ mig }) => mig !== null);
  const whole = gpus.filter(({ vendor, mig }) => vendor === 'nvidia' && mig === null);
  const [first, ...others] = instances;
  if (first === undefined) return gpus;
  const most = others.reduce((best, gpu) => (room(gpu) > room(best) ? gpu : best), first);
  const chosen = room(...whole) > room(most) ? whole : [most];
  return gpus.filter((gpu) => gpu.vendor !== 'nvidia' || chosen.includes(gpu));
}

/** Bytes that are free, as far as known. */
function room(...gpus: readonly Gpu[]): number {
  return gpus.reduce((sum, { freeBytes, totalBytes }) => sum + (freeBytes ?? totalBytes ?? 0), 0);
}

function leftApart(kept: readonly Gpu[], apart: readonly Gpu[]): string {
  const ids = (gpus: readonly Gpu[]) => gpus.map(({ id }) => id).join(', ');
  const uuids = kept.flatMap(({ vendor, uuid }) =>
    vendor === 'nvidia' && uuid !== null ? [uuid] : [],
  );
  const pinned = uuids.length === 0 ? '' : ` (\`CUDA_VISIBLE_DEVICES=${uuids.join(',')}\`)`;
  return (
    `planned on ${ids(kept)}${pinned} without ${ids(apart)}: one process of CUDA gets a single MIG ` +
    'instance, or whole GPUs; drivers since R570 may show it more, which no plan counts on'
  );
}

function deviceOf(gpu: Gpu): DeviceInput {
  return {
    id: gpu.id,
    name: gpu.name,
    capacityBytes: gpu.totalBytes,
    freeBytes: gpu.freeBytes,
    backend: gpu.backend,
    computeCapability: gpu.computeCapability,
  };
}

/** RAM within the cgroup's limit, where there is one. */
function hostOf({ memory, cpu }: Machine): DeviceInput {
  const capacity = smaller(memory.totalBytes, memory.limitBytes);
  return {
    id: 'host',
    name: cpu.model ?? 'CPU',
    capacityBytes: capacity,
    freeBytes: smaller(memory.availableBytes, memory.limitBytes),
    backend: null,
  };
}

function smaller(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
