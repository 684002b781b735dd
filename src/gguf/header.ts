import type { TensorInfo } from '../contracts/model.ts';
import type { GgufValueType } from './types.ts';

/** Random access to the bytes of one file; what `parse.ts` reads, so that it needs no file system. */
export type ByteSource = {
  /** The path, as error messages show it. */
  readonly name: string;
  readonly size: number;
  /** Up to `length` bytes from `offset`: fewer only where the file has shrunk meanwhile. */
  readonly read: (offset: number, length: number) => Uint8Array;
};

/** A tensor with the place of its data. */
export type GgufTensor = TensorInfo & {
  /** First byte of the data, counted from the start of its file. */
  readonly offset: number;
  /** Bytes of data without padding. */
  readonly bytes: number;
  /** Index into `GgufHeader.shards` of the file that holds it. */
  readonly shard: number;
};

/** Where the elements of an array lie; they are read only when asked for. */
export type GgufArray = {
  readonly elementType: Exclude<GgufValueType, 'array'>;
  readonly length: number;
  /** First byte of the first element, and the bytes of all elements. */
  readonly offset: number;
  readonly bytes: number;
};

/** `bigint` only for a 64-bit integer beyond 2^53, which no `number` can hold. */
export type GgufScalar = string | number | bigint | boolean;
export type MetadataValue = GgufScalar | readonly string[] | readonly number[] | readonly boolean[];

/**
 * The key-values of a file. Strings with bytes that are no UTF-8 hold U+FFFD there (llama.cpp runs such
 * files); keys are always valid. Arrays are read from the file on each call, up to megabytes of it.
 */
export type GgufMetadata = {
  readonly keys: readonly string[];
  /** The value, arrays included; undefined where the file has no such key. */
  readonly get: (key: string) => MetadataValue | undefined;
  /** Element type and length of an array without reading it; undefined for no key or no array. */
  readonly array: (key: string) => GgufArray | undefined;
  /** undefined where the file has no such key; throws `gguf.invalid` where it holds something else. */
  readonly stringArray: (key: string) => readonly string[] | undefined;
  readonly numberArray: (key: string) => readonly number[] | undefined;
};

/** One file of a model that may be split into several. */
type GgufShard = {
  readonly path: string;
  readonly fileBytes: number;
  /** First byte of the data section. */
  readonly dataOffset: number;
};

/** What a GGUF file says about itself, checked against its real size. */
export type GgufHeader = {
  /** The file to give to the engine: the first one of a split model. */
  readonly path: string;
  /** Sum over all shards. */
  readonly fileBytes: number;
  readonly version: number;
  readonly alignment: number;
  /** Of the first shard. */
  readonly dataOffset: number;
  /** Of the first shard: the others repeat none of it that matters. */
  readonly metadata: GgufMetadata;
  /** `metadata.get`. */
  readonly get: (key: string) => MetadataValue | undefined;
  /** Of all shards, in the order of the files. */
  readonly tensors: readonly GgufTensor[];
  /** One entry for a file that is not split. */
  readonly shards: readonly GgufShard[];
};
