import type { FoundGpu } from '../outcome.ts';
import { at, looseJson, mebibytes, objects, pciAddress, reported } from '../values.ts';

export const STATIC_ARGS = ['static', '--asic', '--bus', '--vram', '--driver', '--json'] as const;
export const METRIC_ARGS = ['metric', '--mem-usage', '--json'] as const;
export const VERSION_ARGS = ['version', '--json'] as const;

/**
 * `amd-smi static --json` and `amd-smi metric --mem-usage --json`. ROCm 6.0 to 6.3 print an array,
 * 6.4 and 7 an object with `gpu_data`; sizes are `{ value, unit }`, or bare numbers in MiB.
 */
export function parseAmdSmi(texts: {
  readonly fixed: string;
  readonly metric: string;
  readonly version: string;
}): FoundGpu[] {
  const metrics = entriesOf(texts.metric);
  const runtimeVersion = rocmVersion(texts.version);
  return entriesOf(texts.fixed).map((entry) => {
    const metric = metrics.find((candidate) => at(candidate, 'gpu') === at(entry, 'gpu'));
    const usage = at(metric, 'mem_usage');
    const driver = reported(at(entry, 'driver', 'version'));
    const target = reported(at(entry, 'asic', 'target_graphics_version'));
    return {
      vendor: 'amd',
      name: nameOf(entry),
      uuid: null,
      pciId: pciAddress(at(entry, 'bus', 'bdf')),
      ...memoryOf(reported(at(entry, 'vram', 'type')), at(entry, 'vram', 'size'), usage),
      backend: 'rocm',
      // Some kernels hand over their whole banner instead of a version.
      driverVersion: driver !== null && driver.length <= 40 ? driver : null,
      runtimeVersion,
      computeCapability: target,
      mig: null,
      source: 'amd-smi',
    };
  });
}

/** The ROCm version that `amd-smi version --json` names. */
export function rocmVersion(text: string): string | null {
  return reported(at(objects(looseJson(text))[0], 'rocm_version'));
}

function entriesOf(text: string): object[] {
  const document = looseJson(text);
  return objects(at(document, 'gpu_data') ?? document).filter((entry) => 'gpu' in entry);
}

function nameOf(entry: object): string {
  const device = reported(at(entry, 'asic', 'device_id'));
  return (
    reported(at(entry, 'asic', 'market_name')) ??
    reported(at(entry, 'board', 'product_name')) ??
    (device === null ? 'AMD GPU' : `AMD GPU ${device}`)
  );
}

const size = (value: unknown) => mebibytes(at(value, 'value') ?? value);

/**
 * An APU's VRAM is only what the firmware cut off for it; HIP and Vulkan allocate from GTT, the part of
 * system memory that the kernel lets it use (ROCm/rocm-systems pull 8475: 0.5 GiB of VRAM, 110 GiB of
 * GTT, and HIP's total is the latter).
 */
function memoryOf(
  type: string | null,
  fixedSize: unknown,
  usage: unknown,
): Pick<FoundGpu, 'memoryKind' | 'totalBytes' | 'freeBytes'> {
  const vram = size(at(usage, 'total_vram')) ?? size(fixedSize);
  const apu = type !== null && /^(?:LP)?DDR/i.test(type);
  const gtt = size(at(usage, 'total_gtt'));
  if (apu && gtt !== null && gtt > (vram ?? 0)) {
    return { memoryKind: 'unified', totalBytes: gtt, freeBytes: left(gtt, at(usage, 'used_gtt')) };
  }
  return {
    memoryKind: apu ? 'shared_system' : 'dedicated',
    totalBytes: vram,
    freeBytes: size(at(usage, 'free_vram')) ?? left(vram, at(usage, 'used_vram')),
  };
}

function left(total: number | null, used: unknown): number | null {
  const bytes = size(used);
  return total === null || bytes === null ? null : Math.max(0, total - bytes);
}
