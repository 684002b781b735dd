import { gpuSchema } from '../contracts/machine.ts';
import type { Gpu } from '../contracts/machine.ts';
import type { FoundGpu } from './outcome.ts';
import { pciAddress, reported } from './values.ts';

/** A graphics controller as systeminformation lists it, by the fields that are read. */
type Controller = {
  readonly vendor?: string | undefined;
  readonly model?: string | undefined;
  readonly name?: string | undefined;
  readonly busAddress?: string | null | undefined;
  readonly pciBus?: string | null | undefined;
};

export type MergeInput = {
  /** By probe, the most trusted first; each in the order in which its driver numbers them. */
  readonly found: readonly (readonly FoundGpu[])[];
  /** What systeminformation saw on the bus. */
  readonly controllers: readonly Controller[];
  /** Capacity of unified memory whose driver names none: the machine's own. */
  readonly system: { readonly totalBytes: number | null; readonly availableBytes: number | null };
  /** Vendors whose own tool answered: what it does not list is hidden or unusable, and stays out. */
  readonly answered: readonly Gpu['vendor'][];
};

export type Merged = { readonly gpus: readonly Gpu[]; readonly warnings: readonly string[] };

/** One list of GPUs: no device twice, numbered, each valid by the schema. Pure. */
export function mergeGpus(input: MergeInput): Merged {
  const warnings: string[] = [];
  const kept: FoundGpu[] = [];
  for (const gpu of input.found.flat()) {
    if (!kept.some((other) => sameDevice(gpu, other))) kept.push(gpu);
  }
  for (const controller of input.controllers) {
    const gpu = controllerGpu(controller);
    if (gpu === null || input.answered.includes(gpu.vendor) || isKnown(gpu, kept)) continue;
    kept.push(gpu);
    if (gpu.vendor === 'nvidia') warnings.push(withoutDriver(gpu.name));
  }
  const numberOf = numbering();
  const gpus = kept.map((gpu) => {
    const filled = withSystemMemory(gpu, input.system);
    if (filled.totalBytes !== gpu.totalBytes) warnings.push(unifiedNote(gpu.name));
    return gpuSchema.parse({ id: `gpu${numberOf(gpu)}`, ...filled });
  });
  return { gpus, warnings };
}

/** The driver's numbers: files that are written name cards by them. Of a second driver's, the next that are free. */
function numbering(): (gpu: FoundGpu) => number {
  const taken = new Set<number>();
  return ({ number }) => {
    const next = Math.max(-1, ...taken) + 1;
    const found = number === undefined || taken.has(number) ? next : number;
    taken.add(found);
    return found;
  };
}

/** The same UUID, or the same place on the bus; MIG instances share their board's place. */
function sameDevice(a: FoundGpu, b: FoundGpu): boolean {
  if (a.uuid !== null && b.uuid !== null && a.vendor === b.vendor) return a.uuid === b.uuid;
  if (a.mig !== null || b.mig !== null) return false;
  return a.pciId !== null && a.pciId === b.pciId;
}

/**
 * A controller is known when its place on the bus is, or when its vendor's own probe saw GPUs and the
 * places cannot be compared: a vendor's tool lists all of its cards.
 */
function isKnown(gpu: FoundGpu, kept: readonly FoundGpu[]): boolean {
  const sameVendor = kept.filter((other) => other.vendor === gpu.vendor);
  const places = kept.map((other) => other.pciId);
  if (gpu.pciId !== null && places.includes(gpu.pciId)) return true;
  const comparable = gpu.pciId !== null && sameVendor.every((other) => other.pciId !== null);
  return sameVendor.length > 0 && !comparable;
}

// Display adapters of servers and virtual machines: they show a console and compute nothing.
const DISPLAY_ONLY =
  /aspeed|matrox|cirrus|qxl|red hat|virtio|vmware|virtualbox|innotek|bochs|qemu|hyper-v|microsoft|basic (?:display|render)|parallels|hibmc|xgi|silicon motion|xen/i;
const VENDORS: readonly (readonly [RegExp, Gpu['vendor']])[] = [
  [/nvidia|geforce/i, 'nvidia'],
  [/\bamd\b|advanced micro devices|\bati\b|radeon/i, 'amd'],
  [/intel/i, 'intel'],
];

function controllerGpu(controller: Controller): FoundGpu | null {
  const name = reported(controller.name) ?? reported(controller.model);
  const text = `${controller.vendor ?? ''} ${controller.model ?? ''} ${controller.name ?? ''}`;
  if (name === null || DISPLAY_ONLY.test(text)) return null;
  const vendor = VENDORS.find(([words]) => words.test(text))?.[1] ?? 'unknown';
  return {
    vendor,
    name,
    uuid: null,
    pciId: pciAddress(controller.pciBus) ?? pciAddress(controller.busAddress),
    // An Intel GPU that xpu-smi does not list is in all likelihood the one inside the CPU.
    memoryKind: vendor === 'intel' ? 'shared_system' : 'unknown',
    totalBytes: null,
    freeBytes: null,
    backend: vendor === 'nvidia' || vendor === 'unknown' ? null : 'vulkan',
    driverVersion: null,
    runtimeVersion: null,
    computeCapability: null,
    mig: null,
    source: 'systeminformation',
  };
}

/** In unified memory the GPU can take no more than what the machine has left. */
function withSystemMemory(gpu: FoundGpu, system: MergeInput['system']): FoundGpu {
  if (gpu.memoryKind !== 'unified') return gpu;
  const totalBytes = gpu.totalBytes ?? system.totalBytes;
  const bounds = [gpu.freeBytes, system.availableBytes].filter((bytes) => bytes !== null);
  if (totalBytes === null || bounds.length === 0) return { ...gpu, totalBytes };
  return { ...gpu, totalBytes, freeBytes: Math.min(totalBytes, ...bounds) };
}

const unifiedNote = (name: string) =>
  `${name} shares memory with the CPU and its driver names no capacity: the system's RAM stands for it`;

const withoutDriver = (name: string) =>
  `${name} is on the bus but no NVIDIA driver answers for it, so it cannot be used: install the driver, ` +
  'then run `mmdeploy doctor`';
