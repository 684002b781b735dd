import type { ModelDescription, TextModel } from '../../contracts/model.ts';
import type { DeviceMemory, Verdict } from '../../contracts/plan.ts';
import type { DeviceInput } from '../../memory/types.ts';
import type { VllmFormat, VllmScheme } from '../../memory/vllm/formats.ts';
import type { VllmKvType } from '../../memory/vllm/kv-cache.ts';

/** A weight format that vLLM can load this model in, and what it loads. */
export type VllmVariant = {
  readonly format: VllmFormat;
  readonly scheme: VllmScheme;
  /** Hub repository. */
  readonly repository: string;
  /** `--quantization`; null where the checkpoint's own configuration says it. */
  readonly quantization: string | null;
  /** The model as that repository has it: some checkpoints pad the feed-forward. */
  readonly model: ModelDescription & { readonly text: TextModel };
};

/** A point in the search: what may vary beside the wishes. */
export type VllmPoint = {
  readonly variant: VllmVariant;
  /** The GPUs of the tensor-parallel group. */
  readonly gpus: readonly DeviceInput[];
  readonly contextPerSlot: number;
  readonly slots: number;
  /** Machines with such GPUs that share the layers; absent: one. */
  readonly stages?: number;
};

/** A configuration with its memory and what became of it. */
export type VllmChoice = VllmPoint & {
  readonly kvType: VllmKvType;
  readonly batchedTokens: number;
  /** `--gpu-memory-utilization`. */
  readonly memoryShare: number;
  /** Bytes that vLLM may use of the GPU with the least. */
  readonly usableBytes: number;
  /** `--dtype half` where the GPU has no BF16. */
  readonly half: boolean;
  /** The vision tower lies whole on every GPU: `--mm-encoder-tp-mode data`. */
  readonly encoderWhole: boolean;
  /** Images in one prompt; null for a model that does not see. */
  readonly imagesPerPrompt: number | null;
  /** Pixels of the largest image that is reserved for; null: whatever the processor makes of any. */
  readonly imageSize: { readonly width: number; readonly height: number } | null;
  readonly imageMaxTokens: number | null;
  /** `--mm-processor-kwargs` that hold the cap. */
  readonly processorKwargs: Readonly<Record<string, number>> | null;
  readonly devices: readonly DeviceMemory[];
  readonly verdict: Exclude<Verdict, 'api' | 'offload'>;
  /** Smallest room under vLLM's share of any GPU, bytes; negative when something does not fit. */
  readonly roomBytes: number;
  /** What was changed so that the server starts and does not fail later, one sentence each. */
  readonly notes: readonly string[];
  /** Why it would not start, or start and then fail; null: it would not. */
  readonly fault: string | null;
};
