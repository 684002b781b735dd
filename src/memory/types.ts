import type { MemoryItem } from '../contracts/plan.ts';

/** How llama.cpp is to be started, as far as memory depends on it. */
export type LaunchSettings = {
  /** Tokens of context of one slot. */
  readonly contextPerSlot: number;
  /** Slots (`--parallel`): an explicit number means as many separate KV streams. */
  readonly slots: number;
  /** ggml type of both K and V, lower case as the engine spells it: `f16`, `q8_0` … */
  readonly kvType: string;
  /** ggml type of V where it is not that of K (`--cache-type-v`). */
  readonly kvTypeV?: string;
  /** One stream for all slots (`--kv-unified`); the engine's own choice where `--parallel` is left to it. */
  readonly unifiedKv?: boolean;
  /** Sliding layers keep the whole context too (`--swa-full`). */
  readonly swaFull?: boolean;
  /** Blocks, from the first, whose experts stay on the CPU (`--n-cpu-moe`; every block: `--cpu-moe`). */
  readonly cpuMoeLayers?: number;
  /** Physical micro-batch in tokens (`--ubatch-size`). */
  readonly ubatch: number;
  /** Blocks on the GPU, counted from the last; `layers + 1` includes the output layer. */
  readonly gpuLayers: number;
  readonly flashAttention: boolean;
  /** Cap on the tokens of one image (`--image-max-tokens`); null leaves the model's own. */
  readonly imageMaxTokens: number | null;
  /** Share of the layers per GPU (`--tensor-split`); null splits by free memory. */
  readonly tensorSplit: readonly number[] | null;
};

/** A device that takes part, in the engine's order. */
export type DeviceInput = {
  readonly id: string;
  readonly name: string;
  readonly capacityBytes: number | null;
  readonly freeBytes: number | null;
  /** `cuda`, `rocm` …: what the runtime itself takes depends on it. */
  readonly backend: string | null;
  /** CUDA compute capability, e.g. `8.9`: what vLLM's kernels ask for; absent where nobody tells. */
  readonly computeCapability?: string | null;
};

/** The bytes of one part with the formula that gave them. */
export type PartBytes = Pick<MemoryItem, 'bytes' | 'formula'>;

export const DEFAULT_UBATCH = 512;
