import type { TensorInfo, TextModel } from '../contracts/model.ts';
import { tensorBytes } from '../gguf/types.ts';
import { rememberedByName, tensorName } from '../layout/tensor-name.ts';
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

/** Tensors that `--n-cpu-moe` keeps on the CPU. */
export const EXPERTS = /\bffn_(up|down|gate|gate_up)_(ch)?exps\./;
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
  const isInput = rememberedByName((rest) => INPUT.test(rest));
  const isOfFirst = rememberedByName((rest) => FIRST_BLOCK.test(rest));
  for (const tensor of text.tensors) {
    const bytes = tensorBytes(tensor);
    const { block, rest } = tensorName(tensor.name);
    if (block !== null) {
      const spared = block < cpuMoeLayers && EXPERTS.test(rest);
      add(spared ? null : placement[block], bytes);
    } else if (isInput(rest)) add(null, bytes);
    else add(isOfFirst(rest) ? placement[0] : outputPlace, bytes);
  }
  const tied = !text.tensors.some((tensor) => tensor.name === 'output.weight');
  const embedding = text.tensors.find((tensor) => tensor.name === 'token_embd.weight');
  if (tied && embedding !== undefined && outputPlace !== null) {
    add(outputPlace, tensorBytes(embedding));
  }
  return { gpus, host };
}
