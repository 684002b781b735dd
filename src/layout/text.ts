import type { TensorInfo } from '../contracts/model.ts';

/** Format of the matrices before any quantisation; norms and biases are F32 in every GGUF file. */
export type FloatFormat = 'F32' | 'F16' | 'BF16';

/** What the tensors of a dense language model follow from. */
export type TextDims = {
  /** `general.architecture`. */
  readonly arch: string;
  readonly layers: number;
  readonly embedding: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Width of one feed-forward matrix; of `qwen` that is half of its `feed_forward_length` key. */
  readonly feedForward: number;
  readonly vocabulary: number;
  /** The output matrix is the token embedding: no `output.weight` in the file. */
  readonly tiedEmbeddings: boolean;
  readonly qkvBias: boolean;
};

/** Collects tensors of one format: matrices in it, vectors in F32. */
export function tensorList(format: FloatFormat) {
  const tensors: TensorInfo[] = [];
  const add = (name: string, shape: readonly number[], type: FloatFormat): void => {
    tensors.push({ name, shape, type });
  };
  return {
    tensors,
    add,
    matrix: (name: string, ...shape: number[]) => add(name, shape, format),
    vector: (name: string, length: number) => add(name, [length], 'F32'),
  };
}
export type TensorList = ReturnType<typeof tensorList>;

/**
 * Tensors of a dense llama-like language model, shapes as ggml's `ne`, in file order.
 * Known by name: `llama`, `internlm2`, `qwen2`, `qwen2vl` (separate q, k, v) and `qwen` (fused, always with bias).
 */
export function textTensors(dims: TextDims, format: FloatFormat = 'F16'): TensorInfo[] {
  const list = tensorList(format);
  list.matrix('token_embd.weight', dims.embedding, dims.vocabulary);
  for (let block = 0; block < dims.layers; block++) {
    const prefix = `blk.${block}`;
    list.vector(`${prefix}.attn_norm.weight`, dims.embedding);
    attention(list, prefix, dims);
    list.vector(`${prefix}.ffn_norm.weight`, dims.embedding);
    list.matrix(`${prefix}.ffn_gate.weight`, dims.embedding, dims.feedForward);
    list.matrix(`${prefix}.ffn_up.weight`, dims.embedding, dims.feedForward);
    list.matrix(`${prefix}.ffn_down.weight`, dims.feedForward, dims.embedding);
  }
  list.vector('output_norm.weight', dims.embedding);
  if (!dims.tiedEmbeddings) list.matrix('output.weight', dims.embedding, dims.vocabulary);
  return list.tensors;
}

function attention(list: TensorList, prefix: string, dims: TextDims): void {
  const queries = dims.heads * dims.headSize;
  const keys = dims.kvHeads * dims.headSize;
  if (dims.arch === 'qwen') {
    list.matrix(`${prefix}.attn_qkv.weight`, dims.embedding, queries + 2 * keys);
    list.vector(`${prefix}.attn_qkv.bias`, queries + 2 * keys);
  } else {
    for (const [name, width] of [
      ['q', queries],
      ['k', keys],
      ['v', keys],
    ] as const) {
      list.matrix(`${prefix}.attn_${name}.weight`, dims.embedding, width);
      if (dims.qkvBias) list.vector(`${prefix}.attn_${name}.bias`, width);
    }
  }
  list.matrix(`${prefix}.attn_output.weight`, queries, dims.embedding);
}
