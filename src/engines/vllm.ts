/** The only place where vLLM's argv is built; flags as `vllm serve` spells them. */

export type VllmInput = {
  /** Hub repository or a local folder. */
  readonly model: string;
  readonly host: string;
  readonly port: number;
  /** Tokens of one sequence (`--max-model-len`). */
  readonly contextPerSlot: number;
  readonly slots: number;
  readonly gpuMemoryUtilization: number;
  /** Images allowed in one prompt; vLLM reserves memory for the worst case of them. */
  readonly imagesPerPrompt: number;
  /** The repository ships its own modelling code (Qwen-VL-Chat, InternVL2). */
  readonly trustRemoteCode: boolean;
};

/** Arguments after `vllm`. */
export function vllmArgs(input: VllmInput): string[] {
  return [
    ...['serve', input.model, '--host', input.host, '--port', String(input.port)],
    ...['--max-model-len', String(input.contextPerSlot)],
    ...['--max-num-seqs', String(input.slots)],
    ...['--gpu-memory-utilization', String(input.gpuMemoryUtilization)],
    ...['--limit-mm-per-prompt', JSON.stringify({ image: input.imagesPerPrompt })],
    ...(input.trustRemoteCode ? ['--trust-remote-code'] : []),
  ];
}
