import { sum } from '../../units.ts';

/** Weight formats of vLLM, as `--quant` takes them, from the most faithful to the least. */
export const VLLM_FORMATS = ['BF16', 'FP8', 'INT8', 'INT4'] as const;
export type VllmFormat = (typeof VLLM_FORMATS)[number];

/**
 * How the bytes of a quantised matrix lie in a checkpoint: `fp8` and `int8` of compressed-tensors, `awq`
 * of AutoAWQ, `w4a16` of compressed-tensors; `bf16` for the original.
 */
export type VllmScheme = 'bf16' | 'fp8' | 'int8' | 'awq' | 'w4a16';

/** Weights that share a scale in the four-bit schemes: what every published checkpoint here uses. */
export const GROUP = 128;
const BF16 = 2;

/**
 * Bytes of a linear layer's matrix, `shape` fastest-varying (input) dimension first:
 * - `fp8`, `int8`: one byte a weight and a BF16 scale for each output row;
 * - `w4a16`: half a byte a weight and a BF16 scale for each group of 128 inputs of a row;
 * - `awq`: the same, and a four-bit zero for each group.
 * Published sizes that hold this: test/unit/memory/vllm/published.test.ts.
 */
export function matrixBytes(shape: readonly number[], scheme: VllmScheme): number {
  const [inputs = 1] = shape;
  const weights = elements(shape);
  const rows = weights / inputs;
  const groups = rows * Math.ceil(inputs / GROUP);
  switch (scheme) {
    case 'bf16':
      return weights * BF16;
    case 'fp8':
    case 'int8':
      return weights + rows * BF16;
    case 'w4a16':
      return weights / 2 + groups * BF16;
    case 'awq':
      return weights / 2 + groups * BF16 + groups / 2;
  }
}

/** `--explain`: what a quantised weight costs. */
export function schemeText(scheme: VllmScheme): string {
  return {
    bf16: '2 B (BF16)',
    fp8: '1 B (FP8) + 2 B a row',
    int8: '1 B (INT8) + 2 B a row',
    awq: '0.5 B (AWQ) + 2.5 B a group of 128',
    w4a16: '0.5 B (INT4) + 2 B a group of 128',
  }[scheme];
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

export function parameters(tensors: readonly { readonly shape: readonly number[] }[]): number {
  return sum(tensors.map(({ shape }) => elements(shape)));
}
