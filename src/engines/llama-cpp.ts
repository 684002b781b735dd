/**
 * The only place where llama-server's argv is built: serve, and every deployment target, take it from
 * here. Flags are spelled as build 11669 takes them; the probe of the engine that is found tells whether
 * it has them (`engine/`).
 */

export type LlamaServerInput = {
  /** Path of the model, or `${MODELS_DIR}/file` where there is none yet. */
  readonly model: string;
  readonly mmproj: string | null;
  /** Name under which `/v1/models` lists it; without one clients would see the file's path. */
  readonly alias: string;
  readonly host: string;
  readonly port: number;
  /** Total context over all slots. */
  readonly ctxSize: number;
  readonly slots: number;
  readonly gpuLayers: number;
  readonly ubatch: number;
  readonly kvType: string;
  readonly kvTypeV: string;
  readonly unifiedKv: boolean;
  readonly swaFull: boolean;
  /** Blocks, from the first, whose experts stay on the CPU. */
  readonly cpuMoeLayers: number;
  readonly flashAttention: boolean;
  readonly imageMaxTokens: number | null;
  readonly tensorSplit: readonly number[] | null;
  /** False when the projector has to stay on the CPU beside a GPU. */
  readonly encoderOnGpu: boolean;
};

/** llama-server's default logical batch; `--ubatch-size` may not exceed it. */
const DEFAULT_BATCH = 2048;

/**
 * Arguments for llama-server. Everything that memory depends on is stated, because defaults move from
 * build to build; `--fit off` keeps the engine from quietly changing what was planned.
 */
export function llamaServerArgs(input: LlamaServerInput): string[] {
  const args = ['--model', input.model];
  if (input.mmproj !== null) args.push('--mmproj', input.mmproj);
  args.push(
    ...['--alias', input.alias],
    ...['--host', input.host, '--port', String(input.port)],
    ...['--ctx-size', String(input.ctxSize), '--parallel', String(input.slots)],
    ...['--n-gpu-layers', String(input.gpuLayers), '--fit', 'off'],
    ...['--ubatch-size', String(input.ubatch)],
  );
  if (input.ubatch > DEFAULT_BATCH) args.push('--batch-size', String(input.ubatch));
  args.push('--flash-attn', input.flashAttention ? 'on' : 'off');
  args.push('--cache-type-k', input.kvType, '--cache-type-v', input.kvTypeV);
  if (input.unifiedKv) args.push('--kv-unified');
  if (input.swaFull) args.push('--swa-full');
  if (input.cpuMoeLayers > 0) args.push('--n-cpu-moe', String(input.cpuMoeLayers));
  if (input.tensorSplit !== null) args.push('--tensor-split', input.tensorSplit.join(','));
  if (input.mmproj !== null && !input.encoderOnGpu && input.gpuLayers > 0) {
    args.push('--no-mmproj-offload');
  }
  if (input.imageMaxTokens !== null) {
    args.push('--image-max-tokens', String(input.imageMaxTokens));
  }
  return args;
}

/** `args` with host and port replaced: a target listens where it must, and nothing else differs. */
export function listenAt(args: readonly string[], listen: readonly string[]): string[] {
  const rest: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? '';
    if (arg === '--host' || arg === '--port') index += 1;
    else rest.push(arg);
  }
  return [...rest, ...listen];
}
