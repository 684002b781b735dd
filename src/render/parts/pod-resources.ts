import type { Gpu } from '../../contracts/machine.ts';
import { MIB } from '../../units.ts';
import type { Deployment } from '../types.ts';

/** A size as Kubernetes writes it, in whole mebibytes. */
export function quantity(bytes: number): string {
  return `${Math.ceil(bytes / MIB)}Mi`;
}

/** The name under which a device plugin offers these cards; null on a CPU. */
export function gpuResource({ accelerator, gpus, intelDriver }: Deployment): string | null {
  switch (accelerator) {
    case 'nvidia':
      return migResource(gpus[0]) ?? 'nvidia.com/gpu';
    case 'amd':
      return 'amd.com/gpu';
    case 'intel':
      return `gpu.intel.com/${intelDriver ?? 'i915'}`;
    default:
      return null;
  }
}

/** As the plugin's `mixed` strategy names instances: `nvidia.com/mig-3g.40gb`. */
function migResource(gpu: Gpu | undefined): string | null {
  const profile = gpu?.mig?.profile;
  return profile === undefined ? null : `nvidia.com/mig-${profile.replaceAll('+', '.')}`;
}

/** GPUs are asked for in whole; memory has the plan's limit; the CPU has none, so that nobody is throttled. */
export function resources(deployment: Deployment): object {
  const { memory, gpus } = deployment;
  const gpu = gpuResource(deployment);
  const cards = gpu === null ? {} : { [gpu]: String(gpus.length) };
  return {
    requests: { cpu: cpuRequest(deployment), memory: quantity(memory.requestBytes), ...cards },
    limits: { memory: quantity(memory.limitBytes), ...cards },
  };
}

/** Cores that it needs to get along: all that the plan counts on where the CPU does the work. */
function cpuRequest({ accelerator, engine, gpus, plan }: Deployment): string {
  const { cpu } = plan.machine;
  if (accelerator === 'cpu') return String(Math.max(1, Math.floor(cpu.usableCores ?? 4)));
  return engine === 'vllm' ? String(2 + 2 * gpus.length) : '2';
}

/**
 * Where the pod may run and should: on nodes kept for such cards, rather on those whose cards hold the plan
 * (a label of NVIDIA's feature discovery; where nobody sets it, it changes nothing).
 */
export function placement(deployment: Deployment): object {
  const key = gpuResource(deployment);
  if (key === null) return {};
  const tolerations = [{ key, operator: 'Exists', effect: 'NoSchedule' }];
  if (key !== 'nvidia.com/gpu') return { tolerations };
  const peaks = deployment.plan.memory.devices.filter(({ id }) => id !== 'host');
  const mebibytes = Math.floor(Math.max(...peaks.map(({ peakBytes }) => peakBytes)) / MIB);
  const fits = { key: 'nvidia.com/gpu.memory', operator: 'Gt', values: [String(mebibytes)] };
  const preference = { matchExpressions: [fits] };
  const preferred = [{ weight: 100, preference }];
  return {
    tolerations,
    affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } },
  };
}
