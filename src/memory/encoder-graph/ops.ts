import { compute, elementwise, permute, reshape } from '../graph/tensor.ts';
import type { ElementType, GraphTensor } from '../graph/tensor.ts';

/** A packed copy, in another shape or type where asked (`ggml_cont`, `ggml_cast`). */
export function pack(
  of: GraphTensor,
  dimensions: readonly number[] = of.shape,
  type: ElementType = of.type,
): GraphTensor {
  return compute('CONT', dimensions, [of], type);
}

export const add = (x: GraphTensor, y: GraphTensor) => elementwise('ADD', x, y);
export const activate = (x: GraphTensor) => elementwise('UNARY', x);
export const swapSides = (x: GraphTensor) => permute(x, [1, 0, 2, 3]);

export function concat(first: GraphTensor, second: GraphTensor, axis: 0 | 1 | 2): GraphTensor {
  const grown = first.shape.map((length, at) => (at === axis ? length + second.shape[at] : length));
  return compute('CONCAT', grown, [first, second]);
}

/** Mean of squares of `side` x `side` in the first two dimensions. */
export function pool(x: GraphTensor, side: number): GraphTensor {
  const [a, b, c, d] = x.shape;
  return compute('POOL_2D', [Math.floor(a / side), Math.floor(b / side), c, d], [x]);
}

/** LayerNorm needs memory of its own, RMSNorm does not. */
export function plainNorm(x: GraphTensor, kind: NormKind): GraphTensor {
  return kind === 'rms' ? elementwise('RMS_NORM', x) : compute('NORM', x.shape, [x]);
}
export type NormKind = 'layer' | 'rms';

type Convolution = {
  /** As wide as the kernel where left out, so that each pixel is read once. */
  readonly stride?: number;
  readonly padding?: number;
  /** Of the unrolled picture. */
  readonly type?: 'f16' | 'f32';
};

/** `ggml_conv_2d`: the picture unrolled, times the kernel. */
export function convolve(
  picture: GraphTensor,
  kernel: GraphTensor,
  { stride = kernel.shape[0], padding = 0, type = 'f16' }: Convolution = {},
): GraphTensor {
  const [side, height, channels, width] = kernel.shape;
  const steps = (length: number, taps: number) =>
    Math.floor((length + 2 * padding - taps) / Math.max(stride, 1)) + 1;
  const across = steps(picture.shape[0], side);
  const down = steps(picture.shape[1], height);
  const count = picture.shape[3];
  const area = side * height * channels;
  const unrolled = compute('IM2COL', [area, across, down, count], [kernel, picture], type);
  const flat = product(
    reshape(unrolled, area, across * down * count),
    reshape(kernel, area, width),
  );
  return pack(permute(reshape(flat, across, down, count, width), [0, 1, 3, 2]));
}

function product(matrix: GraphTensor, by: GraphTensor): GraphTensor {
  return compute('MUL_MAT', [matrix.shape[1], by.shape[1]], [matrix, by]);
}
