import type { Gpu, Machine } from '../contracts/machine.ts';
import type { DeviceInput } from '../memory/types.ts';
import type { Resources } from './types.ts';

export type MatchedResources = Resources & {
  /** GPUs that take no part, with the reason. */
  readonly warnings: readonly string[];
};

/** The devices of a machine that a plan may use. A GPU whose memory nobody reports cannot be planned on. */
export function resourcesOf(machine: Machine): MatchedResources {
  const known = machine.gpus.filter(({ totalBytes }) => totalBytes !== null);
  const unknown = machine.gpus.filter(({ totalBytes }) => totalBytes === null);
  return {
    gpus: known.map(deviceOf),
    host: hostOf(machine),
    warnings: unknown.map(
      ({ id, name }) => `${id} (${name}) is left out: its memory is not known to any tool here`,
    ),
  };
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
