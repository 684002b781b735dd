/** The only place where vLLM's argv is built; flags as `vllm serve` spells them (profiles/engines.yaml). */

type ItemLimit =
  number | { readonly count: number; readonly width: number; readonly height: number };

export type VllmInput = {
  /** Hub repository or a local folder. */
  readonly model: string;
  readonly host: string;
  readonly port: number;
  /** Tokens of one sequence (`--max-model-len`). */
  readonly contextPerSlot: number;
  readonly slots: number;
  readonly batchedTokens: number;
  readonly gpuMemoryUtilization: number;
  /** GPUs of this machine that share every layer. */
  readonly gpus: number;
  /** Machines that share the layers. */
  readonly stages: number;
  /** `fp8` converts a BF16 checkpoint as it is loaded; null where the checkpoint says what it is. */
  readonly quantization: string | null;
  readonly kvType: 'bf16' | 'fp8';
  /** FP16 in place of BF16. */
  readonly half: boolean;
  /** The vision tower whole on every GPU. */
  readonly encoderWhole: boolean;
  /**
   * Most items of each modality in one prompt. vLLM reserves memory for the worst case of them, and for
   * one of every modality that is not named; with a size in pixels, for items of that size.
   */
  readonly itemsPerPrompt: Readonly<Record<string, ItemLimit>>;
  /** What the model's processor is told, e.g. `max_pixels`; null: nothing. */
  readonly processorKwargs: Readonly<Record<string, number>> | null;
  /** The repository ships its own modelling code (Qwen-VL-Chat, InternVL2). */
  readonly trustRemoteCode: boolean;
};

/** Arguments after `vllm`. Everything that memory depends on is stated, because defaults move. */
export function vllmArgs(input: VllmInput): string[] {
  const { itemsPerPrompt, processorKwargs } = input;
  return [
    ...['serve', input.model, '--host', input.host, '--port', String(input.port)],
    ...['--max-model-len', String(input.contextPerSlot)],
    ...['--max-num-seqs', String(input.slots)],
    ...['--max-num-batched-tokens', String(input.batchedTokens)],
    ...['--gpu-memory-utilization', String(input.gpuMemoryUtilization)],
    ...(input.gpus > 1 ? ['--tensor-parallel-size', String(input.gpus)] : []),
    ...(input.stages > 1 ? ['--pipeline-parallel-size', String(input.stages)] : []),
    ...(input.quantization === null ? [] : ['--quantization', input.quantization]),
    ...(input.kvType === 'fp8' ? ['--kv-cache-dtype', 'fp8'] : []),
    ...(input.half ? ['--dtype', 'half'] : []),
    ...(Object.keys(itemsPerPrompt).length > 0
      ? ['--limit-mm-per-prompt', JSON.stringify(itemsPerPrompt)]
      : []),
    ...(processorKwargs === null ? [] : ['--mm-processor-kwargs', JSON.stringify(processorKwargs)]),
    ...(input.encoderWhole ? ['--mm-encoder-tp-mode', 'data'] : []),
    ...(input.trustRemoteCode ? ['--trust-remote-code'] : []),
  ];
}
