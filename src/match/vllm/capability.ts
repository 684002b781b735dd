import type { DeviceInput } from '../../memory/types.ts';
import type { VllmFormat } from '../../memory/vllm/formats.ts';
import type { VllmKvType } from '../../memory/vllm/kv-cache.ts';

/** What vLLM's kernels make of the GPUs. */
export type Capability = {
  readonly fault: string | null;
  readonly notes: readonly string[];
  /** `--dtype half`: the GPU computes no BF16. */
  readonly half: boolean;
};

/**
 * Least compute capabilities (vLLM docs/getting_started/installation/gpu.cuda.inc.md and
 * docs/features/quantization): 7.5 for vLLM, its INT8, its INT4 and, unpacked by Marlin as they are used,
 * its FP8 weights.
 */
const LEAST = 7.5;
const BF16 = 8.0;
const FP8 = 8.9;
/** `_FLOAT16_NOT_SUPPORTED_MODELS` in vllm/config/model.py, as GGUF names the architectures. */
const NO_HALF: ReadonlySet<string> = new Set(['gemma2', 'gemma3', 'glm4']);
/** AMD cards that vLLM's ROCm build is for (gpu.rocm.inc.md), and those of them with FP8 arithmetic. */
const AMD = /\bMI[23]\d\d|\bRX (79|90)\d\d|\bAI (MAX|3\d\d)/i;
const AMD_FP8 = /\bMI3\d\d/i;

/** Judges the weakest of the GPUs: all of them run the same kernels. */
export function capabilityOf(
  gpus: readonly DeviceInput[],
  format: VllmFormat,
  arch: string,
  kvType: VllmKvType,
): Capability {
  const found = gpus.map((gpu) => ofOne(gpu, format, arch, kvType));
  return {
    fault: found.find(({ fault }) => fault !== null)?.fault ?? null,
    notes: [...new Set(found.flatMap(({ notes }) => notes))],
    half: found.some(({ half }) => half),
  };
}

/** FP8 is computed in FP8: elsewhere it saves memory only. */
export function computesFp8(gpus: readonly DeviceInput[]): boolean {
  return gpus.every((gpu) => {
    if (gpu.backend === 'rocm') return AMD_FP8.test(gpu.name);
    return (compute(gpu) ?? 0) >= FP8;
  });
}

function ofOne(gpu: DeviceInput, format: VllmFormat, arch: string, kvType: VllmKvType): Capability {
  const failed = (fault: string): Capability => ({ fault, notes: [], half: false });
  if (gpu.backend === 'rocm') return onAmd(gpu, format);
  if (gpu.backend !== 'cuda' && gpu.backend !== null) {
    return failed(`vLLM is planned for CUDA and ROCm only, and ${gpu.name} is neither`);
  }
  const has = compute(gpu);
  if (has === null) return unknown(gpu);
  const said = `${gpu.name} has compute capability ${has.toFixed(1)}`;
  if (has < LEAST) return failed(`${said}, and vLLM needs ${LEAST}`);
  if (kvType === 'fp8' && has < FP8) return failed(`${said}, and an FP8 cache needs ${FP8}`);
  const half = has < BF16;
  if (half && NO_HALF.has(arch)) {
    return failed(`${said}: it has no BF16, and vLLM does not run this model in FP16`);
  }
  return {
    fault: null,
    half,
    notes: [
      ...(half ? [`${said}: FP16 in place of BF16, which it has not (\`--dtype half\`)`] : []),
      ...(format === 'FP8' && has < FP8
        ? [`${said}: FP8 weights are unpacked as they are used, which saves memory but not time`]
        : []),
    ],
  };
}

function onAmd(gpu: DeviceInput, format: VllmFormat): Capability {
  if (!AMD.test(gpu.name)) {
    return { fault: `vLLM's ROCm build is not for ${gpu.name}`, notes: [], half: false };
  }
  if (format === 'INT8' || format === 'INT4') {
    return { fault: `vLLM has no ${format} kernels for ${gpu.name}`, notes: [], half: false };
  }
  if (format === 'FP8' && !AMD_FP8.test(gpu.name)) {
    return { fault: `vLLM has FP8 on MI300 and newer, not on ${gpu.name}`, notes: [], half: false };
  }
  return { fault: null, notes: [], half: false };
}

function unknown({ name }: DeviceInput): Capability {
  const needs = `vLLM needs ${LEAST}, ${BF16.toFixed(1)} for BF16`;
  return {
    fault: null,
    notes: [`the compute capability of ${name} is not known: ${needs}`],
    half: false,
  };
}

function compute({ computeCapability }: DeviceInput): number | null {
  const value = Number.parseFloat(computeCapability ?? '');
  return Number.isFinite(value) ? value : null;
}
