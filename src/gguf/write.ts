import type { TensorInfo } from '../contracts/model.ts';
import { MmdeployError } from '../errors.ts';
import { roundUp } from '../units.ts';
import {
  GGUF_ALIGNMENT,
  GGUF_MAGIC,
  GGUF_VALUE_TYPES,
  GGUF_VERSION,
  MAX_DIMENSIONS,
  ggmlType,
  tensorBytes,
} from './types.ts';
import type { GgufValue, GgufValueType } from './types.ts';

/** What a GGUF file says before its data: both lists are written in the order given. */
export type GgufContent = {
  readonly metadata: readonly (readonly [key: string, value: GgufValue])[];
  readonly tensors: readonly TensorInfo[];
};

type PlacedTensor = {
  readonly tensor: TensorInfo;
  /** Bytes of data, without the padding that follows. */
  readonly bytes: number;
  /** From the start of the file. */
  readonly offset: number;
};

export type GgufPlacement = {
  /** Everything before the first tensor's data, padding included. */
  readonly header: Uint8Array;
  readonly tensors: readonly PlacedTensor[];
  /** Length of the whole file; the last tensor is padded too. */
  readonly totalBytes: number;
};

/**
 * The header of a GGUF file (version 3, little-endian, alignment 32) and where each tensor's data goes.
 * Equal input gives equal bytes. Throws `gguf.invalid` for a name used twice, more than four dimensions
 * or a row that is no whole number of blocks.
 */
export function placeGguf(content: GgufContent): GgufPlacement {
  const { metadata, tensors } = content;
  checkNames(
    'metadata key',
    metadata.map(([key]) => key),
  );
  checkNames(
    'tensor',
    tensors.map(({ name }) => name),
  );
  const writer = new HeaderWriter();
  writer.number('uint32', GGUF_MAGIC);
  writer.number('uint32', GGUF_VERSION);
  writer.number('uint64', tensors.length);
  writer.number('uint64', metadata.length);
  for (const [key, value] of metadata) {
    writer.string(key);
    writer.value(value);
  }
  const relative = writeTensorInfos(writer, tensors);
  writer.pad(GGUF_ALIGNMENT);
  const header = writer.finish();
  return {
    header,
    tensors: relative.placed.map((placed) => ({
      ...placed,
      offset: placed.offset + header.length,
    })),
    totalBytes: header.length + relative.end,
  };
}

function writeTensorInfos(writer: HeaderWriter, tensors: readonly TensorInfo[]) {
  let end = 0;
  const placed = tensors.map((tensor): PlacedTensor => {
    if (tensor.shape.length > MAX_DIMENSIONS) {
      throw new MmdeployError(
        'gguf.invalid',
        `Tensor ${tensor.name} has ${tensor.shape.length} dimensions; ${MAX_DIMENSIONS} are the most`,
      );
    }
    writer.string(tensor.name);
    writer.number('uint32', tensor.shape.length);
    for (const dimension of tensor.shape) writer.number('uint64', dimension);
    writer.number('uint32', ggmlType(tensor.type).id);
    writer.number('uint64', end);
    const bytes = tensorBytes(tensor);
    const offset = end;
    end = roundUp(end + bytes, GGUF_ALIGNMENT);
    return { tensor, bytes, offset };
  });
  return { placed, end };
}

function checkNames(what: string, names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw new MmdeployError('gguf.invalid', `Duplicate ${what} ${name}`);
    seen.add(name);
  }
}

type NumberType = Exclude<GgufValueType, 'bool' | 'string' | 'array'>;

const NUMBER_BYTES = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  uint64: 8,
  int64: 8,
  float64: 8,
} as const satisfies Record<NumberType, number>;

const STORE = {
  uint8: (view, at, value) => view.setUint8(at, value),
  int8: (view, at, value) => view.setInt8(at, value),
  uint16: (view, at, value) => view.setUint16(at, value, true),
  int16: (view, at, value) => view.setInt16(at, value, true),
  uint32: (view, at, value) => view.setUint32(at, value, true),
  int32: (view, at, value) => view.setInt32(at, value, true),
  float32: (view, at, value) => view.setFloat32(at, value, true),
  uint64: (view, at, value) => view.setBigUint64(at, BigInt(value), true),
  int64: (view, at, value) => view.setBigInt64(at, BigInt(value), true),
  float64: (view, at, value) => view.setFloat64(at, value, true),
} as const satisfies Record<NumberType, (view: DataView, at: number, value: number) => void>;

/** A growing little-endian buffer: a vocabulary of 150,000 tokens is a few MB of it. */
class HeaderWriter {
  private bytes = new Uint8Array(1 << 16);
  private view = new DataView(this.bytes.buffer);
  private length = 0;
  private readonly encoder = new TextEncoder();

  number(type: NumberType, value: number): void {
    const size = NUMBER_BYTES[type];
    this.reserve(size);
    STORE[type](this.view, this.length, value);
    this.length += size;
  }

  string(text: string): void {
    const encoded = this.encoder.encode(text);
    this.number('uint64', encoded.length);
    this.reserve(encoded.length);
    this.bytes.set(encoded, this.length);
    this.length += encoded.length;
  }

  value(entry: GgufValue): void {
    this.number('uint32', GGUF_VALUE_TYPES[entry.type]);
    if (entry.type === 'string') this.string(entry.value);
    else if (entry.type === 'bool') this.number('uint8', entry.value ? 1 : 0);
    else if (entry.type === 'array') this.array(entry);
    else this.number(entry.type, entry.value);
  }

  pad(alignment: number): void {
    const target = roundUp(this.length, alignment);
    this.reserve(target - this.length);
    this.length = target;
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  private array(entry: Extract<GgufValue, { type: 'array' }>): void {
    this.number('uint32', GGUF_VALUE_TYPES[entry.of]);
    this.number('uint64', entry.value.length);
    if (entry.of === 'string') entry.value.forEach((text) => this.string(text));
    else if (entry.of === 'bool') entry.value.forEach((flag) => this.number('uint8', flag ? 1 : 0));
    else for (const value of Array.from(entry.value)) this.number(entry.of, value);
  }

  private reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more));
    grown.set(this.bytes);
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }
}
