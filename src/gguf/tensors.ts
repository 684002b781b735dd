import type { Cursor } from './cursor.ts';
import { invalid, quoted, truncated, unsupported } from './faults.ts';
import type { GgufTensor } from './header.ts';
import { GGML_TYPES, MAX_DIMENSIONS, ggmlTypeName, tensorBytes } from './types.ts';

/** ggml's `GGML_MAX_NAME`, less the closing zero. */
const MAX_NAME_BYTES = 63;
/** Name of one byte with its length, number of dimensions, one dimension, type, offset. */
export const MIN_TENSOR_BYTES = 8 + 1 + 4 + 4 + 8;

/** A tensor whose `offset` still counts from the start of the data section. */
export type ListedTensor = Omit<GgufTensor, 'shard'> & { readonly listedAt: number };

/** Reads `count` tensor infos; throws `gguf.*` at the first that is not in order. */
export function readTensorInfos(cursor: Cursor, count: number): ListedTensor[] {
  const names = new Set<string>();
  const tensors: ListedTensor[] = [];
  for (let index = 0; index < count; index++) {
    cursor.reading = `the name of tensor ${index}`;
    const start = cursor.position;
    const name = cursor.name(MAX_NAME_BYTES);
    if (name === '') throw invalid(cursor.source.name, start, `tensor ${index} has no name`);
    if (names.has(name)) {
      throw invalid(cursor.source.name, start, `tensor ${quoted(name)} occurs twice`);
    }
    names.add(name);
    cursor.reading = `tensor ${quoted(name)}`;
    tensors.push(readTensorInfo(cursor, name, start));
  }
  return tensors;
}

function readTensorInfo(cursor: Cursor, name: string, listedAt: number): ListedTensor {
  const shape = readShape(cursor);
  const typeAt = cursor.position;
  const typeId = cursor.u32();
  const type = ggmlTypeName(typeId);
  if (type === undefined) {
    const what = `${cursor.reading} has type number ${typeId}, which is unknown or was removed`;
    throw unsupported(cursor.source.name, typeAt, what);
  }
  const [row = 1] = shape;
  if (row % GGML_TYPES[type].blockSize !== 0) {
    const what = `${cursor.reading} has rows of ${row}, no whole number of ${type} blocks`;
    throw invalid(cursor.source.name, typeAt, what);
  }
  const bytes = tensorBytes({ shape, type });
  const offsetAt = cursor.position;
  const offset = Number(cursor.u64());
  if (!Number.isSafeInteger(bytes) || !Number.isSafeInteger(offset + bytes)) {
    const what = `${cursor.reading} (${type}, ${shape.join(' x ')}) ends beyond 2^53`;
    throw invalid(cursor.source.name, offsetAt, what);
  }
  return { name, shape, type, offset, bytes, listedAt };
}

function readShape(cursor: Cursor): number[] {
  const start = cursor.position;
  const dimensions = cursor.u32();
  if (dimensions > MAX_DIMENSIONS) {
    const what = `${cursor.reading} has ${dimensions} dimensions, at most ${MAX_DIMENSIONS} are possible`;
    throw invalid(cursor.source.name, start, what);
  }
  const shape: number[] = [];
  for (let index = 0; index < dimensions; index++) {
    const at = cursor.position;
    const size = cursor.u64();
    if (size === 0n || size > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw invalid(cursor.source.name, at, `${cursor.reading} has a dimension of ${size}`);
    }
    shape.push(Number(size));
  }
  const elements = shape.reduce((product, size) => product * size, 1);
  if (!Number.isSafeInteger(elements)) {
    const what = `${cursor.reading} (${shape.join(' x ')}) has more than 2^53 elements`;
    throw invalid(cursor.source.name, start, what);
  }
  return shape;
}

/**
 * Checks the places of the data and counts them from the start of the file instead of the data section.
 * As in llama.cpp (`gguf.cpp`), each tensor follows the one before it, padded to the alignment: nothing
 * may overlap and nothing be left out. The padding after the last one may be absent.
 */
export function placeTensors(
  file: { readonly name: string; readonly size: number },
  tensors: readonly ListedTensor[],
  layout: { readonly dataOffset: number; readonly alignment: number },
): GgufTensor[] {
  let expected = 0;
  for (const { name, offset, bytes, listedAt } of tensors) {
    if (offset !== expected) {
      throw invalid(file.name, listedAt, misplacement(name, offset, expected, layout.alignment));
    }
    expected = padded(offset + bytes, layout.alignment);
  }
  const last = tensors.at(-1);
  const end = last === undefined ? 0 : layout.dataOffset + last.offset + last.bytes;
  if (end > file.size) {
    const placed = tensors.find((t) => layout.dataOffset + t.offset + t.bytes > file.size);
    throw truncated(file.name, {
      offset: layout.dataOffset + (placed?.offset ?? 0),
      size: file.size,
      needed: end,
      what: `the data of tensor ${quoted(placed?.name ?? '')}`,
      atLeast: false,
    });
  }
  return tensors.map(({ name, shape, type, offset, bytes }) => ({
    name,
    shape,
    type,
    offset: layout.dataOffset + offset,
    bytes,
    shard: 0,
  }));
}

function misplacement(name: string, offset: number, expected: number, alignment: number): string {
  const place = `the data of tensor ${quoted(name)} is placed at ${offset} of the data section`;
  if (offset % alignment !== 0)
    return `${place}, which is no multiple of the alignment ${alignment}`;
  return offset < expected
    ? `${place}, where it overlaps the tensor before it, which ends at ${expected}`
    : `${place}, expected at ${expected}: a gap that llama.cpp refuses as well`;
}

/** `offset` rounded up to a multiple of `alignment` (ggml's `GGML_PAD`). */
export function padded(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}
