import type { TensorInfo } from '../contracts/model.ts';

/** Format of the matrices before any quantisation; norms and biases are F32 in every GGUF file. */
export type FloatFormat = 'F32' | 'F16' | 'BF16';

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
