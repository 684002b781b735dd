import type { TensorInfo, TextModel } from '../contracts/model.ts';
import { tensorBytes } from '../gguf/types.ts';
import { sum } from '../units.ts';
import type { LayerPlacement } from './split.ts';

export type WeightBytes = {
  /** Bytes on each GPU, in order. */
  readonly gpus: readonly number[];
  readonly host: number;
};

/** Sum of the bytes of all tensors, each row padded as ggml lays it out. */
export function tensorsBytes(tensors: readonly TensorInfo[]): number {
  return sum(tensors.map(tensorBytes));
}

const BLOCK = /^blk\.(\d+)\./;
/** Tensors that `--n-cpu-moe` keeps on the CPU. */
export const EXPERTS = /\.ffn_(up|down|gate|gate_up)_(ch)?exps\./;
/** Gemma's projection into per-layer embeddings lies with the first block. */
const FIRST_BLOCK = /^per_layer_(model_proj|proj_norm)\./;
const INPUT = /^(token_embd|per_layer_token_embd|position_embd|token_types)\b/;

/**
 * Weights per device as llama.cpp places them: input embeddings stay on the host, blocks go where
 * `placement` says, and what is neither (output norm, output head) goes with the output layer. With
 * tied embeddings (no `output.weight`) the token embedding is held a second time beside the output layer.
 * The experts of the first `cpuMoeLayers` blocks stay on the CPU.
 */
export function placeWeights(
  text: TextModel,
  placement: LayerPlacement,
  cpuMoeLayers = 0,
): WeightBytes {
  const gpus: number[] = [];
  let host = 0;
  const add = (where: number | null | undefined, bytes: number) => {
    if (where === null || where === undefined) host += bytes;
    else gpus[where] = (gpus[where] ?? 0) + bytes;
  };
  const outputPlace = placement[placement.length - 1];
  for (const tensor of text.tensors) {
    const bytes = tensorBytes(tensor);
    const block = BLOCK.exec(tensor.name)?.[1];
    const spared = block !== undefined && Number(block) < cpuMoeLayers && EXPERTS.test(tensor.name);
    if (INPUT.test(tensor.name) || spared) add(null, bytes);
    else if (FIRST_BLOCK.test(tensor.name)) add(placement[0], bytes);
    else if (block !== undefined) add(placement[Number(block)], bytes);
    else add(outputPlace, bytes);
  }
  const tied = !text.tensors.some((tensor) => tensor.name === 'output.weight');
  const embedding = text.tensors.find((tensor) => tensor.name === 'token_embd.weight');
  if (tied && embedding !== undefined && outputPlace !== null) {
    add(outputPlace, tensorBytes(embedding));
  }
  return { gpus, host };
}
