import type { TensorInfo, TextModel } from '../contracts/model.ts';
import { tensorBytes } from '../gguf/types.ts';
import { rememberedByName, tensorNames } from '../layout/tensor-name.ts';
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
    if (bytes === 0) return;
    if (where === null || where === undefined) host += bytes;
    else gpus[where] = (gpus[where] ?? 0) + bytes;
  };
  const { blocks, input, first, output, tied } = weightSums(text.tensors);
  for (const [block, { experts, rest }] of blocks) {
    add(placement[block], rest);
    add(block < cpuMoeLayers ? null : placement[block], experts);
  }
  const outputPlace = placement[placement.length - 1];
  add(null, input);
  add(placement[0], first);
  add(outputPlace, output);
  if (outputPlace !== null) add(outputPlace, tied);
  return { gpus, host };
}

/** Bytes of the tensors that always lie together. */
type WeightSums = {
  readonly blocks: ReadonlyMap<number, { readonly experts: number; readonly rest: number }>;
  /** Embeddings of tokens. */
  readonly input: number;
  /** Beside the blocks, on the device of the first. */
  readonly first: number;
  /** The output layer. */
  readonly output: number;
  /** The token embedding where it stands in for the output matrix, else 0. */
  readonly tied: number;
};

/** A search places the same tensors dozens of times. */
const SUMS = new WeakMap<readonly TensorInfo[], WeightSums>();

function weightSums(tensors: readonly TensorInfo[]): WeightSums {
  const known = SUMS.get(tensors);
  if (known !== undefined) return known;
  const blocks = new Map<number, { experts: number; rest: number }>();
  const beside = { input: 0, first: 0, output: 0 };
  let embedding = 0;
  let tied = true;
  const partOf = rememberedByName(besideBlocks);
  const isExpert = rememberedByName((rest) => EXPERTS.test(rest));
  const names = tensorNames(tensors);
  for (const [position, tensor] of tensors.entries()) {
    const bytes = tensorBytes(tensor);
    const { block = null, rest = tensor.name } = names[position] ?? {};
    if (block === null) {
      beside[partOf(rest)] += bytes;
      if (rest === 'token_embd.weight') embedding = bytes;
      if (rest === 'output.weight') tied = false;
      continue;
    }
    const sums = blocks.get(block) ?? { experts: 0, rest: 0 };
    blocks.set(block, sums);
    if (isExpert(rest)) sums.experts += bytes;
    else sums.rest += bytes;
  }
  const made = { blocks, ...beside, tied: tied ? embedding : 0 };
  SUMS.set(tensors, made);
  return made;
}

function besideBlocks(name: string): 'input' | 'first' | 'output' {
  if (INPUT.test(name)) return 'input';
  return FIRST_BLOCK.test(name) ? 'first' : 'output';
}
