import type { VllmScheme } from './formats.ts';
import type { VllmKvType } from './kv-cache.ts';

/** How vLLM is to be started, as far as memory depends on it. */
export type VllmSettings = {
  readonly scheme: VllmScheme;
  /** Tokens of one sequence (`--max-model-len`). */
  readonly contextPerSlot: number;
  /** Sequences at once (`--max-num-seqs`). */
  readonly slots: number;
  readonly kvType: VllmKvType;
  /** Tokens of one step (`--max-num-batched-tokens`). */
  readonly batchedTokens: number;
  /** GPUs that share every layer (`--tensor-parallel-size`). */
  readonly ranks: number;
  /** Machines that share the layers, whole ones each (`--pipeline-parallel-size`). */
  readonly stages: number;
  /** The vision tower is split over them; else it lies whole on each (`--mm-encoder-tp-mode data`). */
  readonly encoderSplit: boolean;
  /** Tokens of the largest image that a request may hold; 0 where the model does not see. */
  readonly largestImage: number;
};

/**
 * Tokens of one step. vLLM's own default for a server is 2048, or 8192 on cards of 70 GiB and more
 * (`EngineArgs.get_batch_defaults`); stated, because memory depends on it.
 */
export const BATCHED_TOKENS = 2048;

/** Most layers that one of `stages` holds (`get_pp_indices` of vllm/distributed/utils.py). */
export function layersOfStage(layers: number, stages: number): number {
  return Math.ceil(layers / stages);
}
