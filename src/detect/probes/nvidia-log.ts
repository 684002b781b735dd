import type { FoundGpu } from '../outcome.ts';
import { at, mebibytes, objects, pciAddress, reported } from '../values.ts';

/** One line of `nvidia-smi -L`; the only place that names a MIG instance's profile and UUID. */
export type ListedMig = {
  readonly parentUuid: string;
  readonly index: number;
  readonly profile: string;
  readonly uuid: string;
};

/** The MIG instances that `nvidia-smi -L` lists. */
export function parseList(text: string): ListedMig[] {
  let parentUuid: string | null = null;
  const listed: ListedMig[] = [];
  for (const line of text.split(/\r?\n/)) {
    parentUuid = /^GPU \d+:.*\(UUID: (GPU-[^)]+)\)/.exec(line)?.[1] ?? parentUuid;
    const mig = /^\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: (MIG-[^)]+)\)/.exec(line);
    if (mig === null || parentUuid === null) continue;
    const [, profile = '', index = '', uuid = ''] = mig;
    listed.push({ parentUuid, index: Number(index), profile, uuid });
  }
  return listed;
}

export type NvidiaLog = {
  readonly gpus: readonly FoundGpu[];
  readonly driverVersion: string | null;
  readonly warnings: readonly string[];
};

/**
 * `nvidia-smi -q -x` as a tree: node-nvidia-smi's result, or `parseXml`'s. A GPU in MIG mode is given
 * as its instances and not counted itself. Null when this is no nvidia-smi log.
 *
 * @param source the probe, as `Gpu.source` names it
 */
export function parseLog(
  tree: unknown,
  listed: readonly ListedMig[],
  source: string,
): NvidiaLog | null {
  const log = at(tree, 'nvidia_smi_log');
  if (typeof log !== 'object' || log === null) return null;
  const driverVersion = reported(at(log, 'driver_version'));
  const versions = { driverVersion, runtimeVersion: reported(at(log, 'cuda_version')), source };
  const warnings: string[] = [];
  const gpus = objects(at(log, 'gpu')).flatMap((gpu) => {
    const whole = wholeGpu(gpu, versions);
    if (reported(at(gpu, 'mig_mode', 'current_mig')) !== 'Enabled') return [whole];
    const instances = objects(at(gpu, 'mig_devices', 'mig_device'));
    if (instances.length === 0) {
      warnings.push(
        `${whole.name} is in MIG mode without instances, so nothing can run on it: list the ` +
          'profiles with `nvidia-smi mig -lgip`, create one with `sudo nvidia-smi mig -cgi <profile> -C`',
      );
    }
    return instances.map((instance) => migGpu(instance, whole, listed));
  });
  return { gpus, driverVersion, warnings };
}

type Versions = Pick<FoundGpu, 'driverVersion' | 'runtimeVersion' | 'source'>;

function wholeGpu(gpu: object, versions: Versions): FoundGpu {
  const name = reported(at(gpu, 'product_name')) ?? 'NVIDIA GPU';
  const total = at(gpu, 'fb_memory_usage', 'total');
  return {
    vendor: 'nvidia',
    name,
    uuid: reported(at(gpu, 'uuid')),
    pciId: pciAddress(at(gpu, 'pci', 'pci_bus_id')) ?? pciAddress(at(gpu, '$', 'id')),
    ...nvidiaMemory(name, total, at(gpu, 'fb_memory_usage', 'free')),
    backend: 'cuda',
    computeCapability: null,
    mig: null,
    ...versions,
  };
}

function migGpu(instance: object, whole: FoundGpu, listed: readonly ListedMig[]): FoundGpu {
  const index = Number(reported(at(instance, 'index')) ?? Number.NaN);
  const named = listed.find((mig) => mig.parentUuid === whole.uuid && mig.index === index);
  const ids = ['gpu_instance_id', 'compute_instance_id'].map((id) => reported(at(instance, id)));
  return {
    ...whole,
    uuid: named?.uuid ?? null,
    memoryKind: 'dedicated',
    totalBytes: mebibytes(at(instance, 'fb_memory_usage', 'total')),
    freeBytes: mebibytes(at(instance, 'fb_memory_usage', 'free')),
    mig: {
      parentUuid: whole.uuid,
      // Without `-L` the profile is not known; the instance's ids are.
      profile: named?.profile ?? `GI ${ids[0] ?? '?'} CI ${ids[1] ?? '?'}`,
    },
  };
}

// GPUs on the CPU's own memory, for which the driver reports no framebuffer (NVIDIA DGX Spark known
// issues; Jetson). GH200 and GB200 have memory of their own and report it.
const INTEGRATED = /\b(?:GB10|N1X?|Thor|Orin|Xavier|Tegra)\b/i;

/**
 * Memory of a whole GPU. "N/A" alone does not mean unified: a lost GPU or missing permission reads the
 * same, so only parts known to be built that way count, and the rest stays unknown.
 */
export function nvidiaMemory(
  name: string,
  total: unknown,
  free: unknown,
): Pick<FoundGpu, 'memoryKind' | 'totalBytes' | 'freeBytes'> {
  const totalBytes = mebibytes(total);
  if (totalBytes !== null) {
    return { memoryKind: 'dedicated', totalBytes, freeBytes: mebibytes(free) };
  }
  return {
    memoryKind: INTEGRATED.test(name) ? 'unified' : 'unknown',
    totalBytes: null,
    freeBytes: null,
  };
}
