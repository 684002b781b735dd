import type { TensorInfo } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';

/** ASCII `GGUF` as a little-endian uint32. */
export const GGUF_MAGIC = 0x46554747;
/** The version that is written; 2 differs from it in nothing but the number. */
export const GGUF_VERSION = 3;
/** Alignment of the data section and of each tensor in it, where `general.alignment` says nothing. */
export const GGUF_ALIGNMENT = 32;
/** ggml's `GGML_MAX_DIMS`. */
export const MAX_DIMENSIONS = 4;

/** Value types of metadata with the number that stands for each in a file. */
export const GGUF_VALUE_TYPES = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
  int64: 11,
  float64: 12,
} as const;
export type GgufValueType = keyof typeof GGUF_VALUE_TYPES;

type NumberType = Exclude<GgufValueType, 'bool' | 'string' | 'array'>;

/** A metadata value as it is written: the type is chosen, never guessed from the value. 64-bit values stay below 2^53. */
export type GgufValue =
  | { readonly type: NumberType; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'array'; readonly of: NumberType; readonly value: ArrayLike<number> }
  | { readonly type: 'array'; readonly of: 'string'; readonly value: readonly string[] }
  | { readonly type: 'array'; readonly of: 'bool'; readonly value: readonly boolean[] };

export type GgmlType = {
  /** Number that stands for the type in a file (`enum ggml_type`). */
  readonly id: number;
  /** Elements of one block; a row must be a whole number of blocks. */
  readonly blockSize: number;
  /** Bytes of one block. */
  readonly typeBytes: number;
};

const type = (id: number, blockSize: number, typeBytes: number): GgmlType => ({
  id,
  blockSize,
  typeBytes,
});

/** ggml's tensor types (`ggml.h`, block structs of `ggml-common.h`). Numbers left out belonged to removed types. */
export const GGML_TYPES = {
  F32: type(0, 1, 4),
  F16: type(1, 1, 2),
  Q4_0: type(2, 32, 18),
  Q4_1: type(3, 32, 20),
  Q5_0: type(6, 32, 22),
  Q5_1: type(7, 32, 24),
  Q8_0: type(8, 32, 34),
  Q8_1: type(9, 32, 36),
  Q2_K: type(10, 256, 84),
  Q3_K: type(11, 256, 110),
  Q4_K: type(12, 256, 144),
  Q5_K: type(13, 256, 176),
  Q6_K: type(14, 256, 210),
  Q8_K: type(15, 256, 292),
  IQ2_XXS: type(16, 256, 66),
  IQ2_XS: type(17, 256, 74),
  IQ3_XXS: type(18, 256, 98),
  IQ1_S: type(19, 256, 50),
  IQ4_NL: type(20, 32, 18),
  IQ3_S: type(21, 256, 110),
  IQ2_S: type(22, 256, 82),
  IQ4_XS: type(23, 256, 136),
  I8: type(24, 1, 1),
  I16: type(25, 1, 2),
  I32: type(26, 1, 4),
  I64: type(27, 1, 8),
  F64: type(28, 1, 8),
  IQ1_M: type(29, 256, 56),
  BF16: type(30, 1, 2),
  TQ1_0: type(34, 256, 54),
  TQ2_0: type(35, 256, 66),
  MXFP4: type(39, 32, 17),
  NVFP4: type(40, 64, 36),
  Q1_0: type(41, 128, 18),
  Q2_0: type(42, 64, 18),
} as const satisfies Record<string, GgmlType>;
export type GgmlTypeName = keyof typeof GGML_TYPES;

const TYPES: ReadonlyMap<string, GgmlType> = new Map(Object.entries(GGML_TYPES));
const NAMES: ReadonlyMap<number, GgmlTypeName> = new Map(
  Object.entries(GGML_TYPES).map(([name, { id }]) => [id, name as GgmlTypeName]),
);

export function isGgmlType(name: string): name is GgmlTypeName {
  return TYPES.has(name);
}

/** Name of the type with this number in a file; undefined for a removed or unknown one. */
export function ggmlTypeName(id: number): GgmlTypeName | undefined {
  return NAMES.get(id);
}

/** The type of this name; throws `gguf.unsupported` when there is none. */
export function ggmlType(name: string): GgmlType {
  const found = TYPES.get(name);
  if (found === undefined) {
    throw new MmdeployError('gguf.unsupported', `Unknown tensor type ${name}`);
  }
  return found;
}

/**
 * Bytes of a row of `elements` (`ggml_row_size`).
 * Throws `gguf.invalid` where the row is not a whole number of blocks: ggml refuses such a tensor too.
 */
export function rowBytes(typeName: string, elements: number): number {
  const { blockSize, typeBytes } = ggmlType(typeName);
  if (elements % blockSize !== 0) {
    throw new MmdeployError(
      'gguf.invalid',
      `A row of ${elements} elements is not a whole number of ${typeName} blocks of ${blockSize}`,
    );
  }
  return (elements / blockSize) * typeBytes;
}

/** True for the types that are not made of blocks: what a converter writes, before any quantisation. */
export function isFloat(typeName: string): boolean {
  return ggmlType(typeName).blockSize === 1;
}

/** Number of elements: the product of the dimensions, 1 for a scalar. */
export function tensorElements(tensor: Pick<TensorInfo, 'shape'>): number {
  return tensor.shape.reduce((product, dimension) => product * dimension, 1);
}

/** Bytes of a tensor's data without padding (`ggml_nbytes`); throws as `rowBytes` does. */
export function tensorBytes(tensor: Pick<TensorInfo, 'shape' | 'type'>): number {
  const [row = 1, ...rest] = tensor.shape;
  return rest.reduce((bytes, dimension) => bytes * dimension, rowBytes(tensor.type, row));
}
