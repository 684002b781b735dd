import { MIB } from '../units.ts';
import type { PartBytes } from './types.ts';

type Runtime = { readonly bytes: number; readonly source: string };

/**
 * What the driver's context and its libraries take on a device before any buffer of llama.cpp's.
 * Peers measured about 330 MiB for CUDA with cuBLAS (Unsloth) and 150 MiB of RAM for the process
 * (gguf-parser); the others are assumed until `plan --verify` measures them here.
 */
const RUNTIMES: Readonly<Record<string, Runtime>> = {
  cuda: { bytes: 330 * MIB, source: 'CUDA context and cuBLAS, as peers measured' },
  rocm: { bytes: 330 * MIB, source: 'ROCm context, assumed as CUDA' },
  sycl: { bytes: 330 * MIB, source: 'SYCL context, assumed as CUDA' },
  vulkan: { bytes: 64 * MIB, source: 'Vulkan device, assumed' },
  metal: { bytes: 64 * MIB, source: 'Metal device, assumed' },
  host: { bytes: 150 * MIB, source: 'process and libraries, as peers measured' },
};

/** Runtime overhead of a device by its backend (`host` for RAM); an unknown backend counts as CUDA. */
export function runtimeOverhead(backend: string | null): PartBytes {
  const runtime = RUNTIMES[backend ?? 'cuda'] ?? RUNTIMES['cuda'];
  return runtime === undefined
    ? { bytes: 0, formula: 'none' }
    : { bytes: runtime.bytes, formula: `${runtime.bytes / MIB} MiB: ${runtime.source}` };
}
