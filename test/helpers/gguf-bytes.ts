import { Buffer } from 'node:buffer';

/**
 * Writes GGUF byte by byte, lies included: counts, lengths, types and offsets can each be set apart from
 * what they should be. Shares no code with src/gguf, so that a mistake there cannot hide here.
 */
export type Value =
  | { t: 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'f32' | 'f64'; v: number }
  | { t: 'u64' | 'i64'; v: bigint }
  | { t: 'bool'; v: boolean }
  | { t: 'str'; v: string }
  | { t: 'arr'; of: Exclude<Value['t'], 'arr'>; v: readonly (number | bigint | string | boolean)[] }
  | { t: 'raw'; v: Buffer };

export type TensorBytes = {
  name: string | Buffer;
  dims: readonly (number | bigint)[];
  /** Number of the ggml type; F32 (0) where left out. */
  type?: number;
  /** Within the data section; placed after the one before where left out. */
  offset?: number | bigint;
  /** Bytes of data, 4 an element where left out. */
  bytes?: number;
};

export type GgufBytes = {
  magic?: string;
  version?: number;
  keys?: readonly (readonly [string | Buffer, Value])[];
  tensors?: readonly TensorBytes[];
  tensorCount?: bigint;
  keyCount?: bigint;
  alignment?: number;
  /** Bytes of tensor data to append; all of them where left out. */
  data?: number;
};

const IDS = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  str: 8,
  arr: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

export function str(text: string | Buffer): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'utf8') : text;
  return Buffer.concat([u64(bytes.length), bytes]);
}

function plain(type: Exclude<Value['t'], 'arr' | 'raw'>, value: unknown): Buffer {
  const bytes = Buffer.alloc(8);
  switch (type) {
    case 'u8':
      return bytes.subarray(0, bytes.writeUInt8(value as number));
    case 'i8':
      return bytes.subarray(0, bytes.writeInt8(value as number));
    case 'u16':
      return bytes.subarray(0, bytes.writeUInt16LE(value as number));
    case 'i16':
      return bytes.subarray(0, bytes.writeInt16LE(value as number));
    case 'u32':
      return bytes.subarray(0, bytes.writeUInt32LE(value as number));
    case 'i32':
      return bytes.subarray(0, bytes.writeInt32LE(value as number));
    case 'f32':
      return bytes.subarray(0, bytes.writeFloatLE(value as number));
    case 'f64':
      return bytes.subarray(0, bytes.writeDoubleLE(value as number));
    case 'u64':
      return bytes.subarray(0, bytes.writeBigUInt64LE(value as bigint));
    case 'i64':
      return bytes.subarray(0, bytes.writeBigInt64LE(value as bigint));
    case 'bool':
      return Buffer.from([value === true ? 1 : 0]);
    case 'str':
      return str(value as string);
  }
}

/** Type number and value, as they follow a key: `raw` of it is the value again. */
export function valueBytes(value: Value): Buffer {
  if (value.t === 'raw') return value.v;
  if (value.t !== 'arr') return Buffer.concat([u32(IDS[value.t]), plain(value.t, value.v)]);
  const { of } = value;
  if (of === 'raw') throw new Error('an array of raw bytes has no type');
  const elements = value.v.map((element) => plain(of, element));
  return Buffer.concat([u32(IDS.arr), u32(IDS[of]), u64(value.v.length), ...elements]);
}

const pad = (bytes: number, alignment: number) => Math.ceil(bytes / alignment) * alignment;

export function ggufBytes(file: GgufBytes): Buffer {
  const { keys = [], tensors = [], alignment = 32 } = file;
  const header = [
    Buffer.from(file.magic ?? 'GGUF', 'latin1'),
    u32(file.version ?? 3),
    u64(file.tensorCount ?? tensors.length),
    u64(file.keyCount ?? keys.length),
    ...keys.map(([key, value]) => Buffer.concat([str(key), valueBytes(value)])),
  ];
  let end = 0;
  let next = 0;
  for (const { name, dims, type = 0, offset, bytes } of tensors) {
    const own = bytes ?? dims.reduce<number>((product, size) => product * Number(size), 4);
    header.push(str(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offset ?? next));
    end = next + own;
    next = pad(end, alignment);
  }
  const head = Buffer.concat(header);
  if (tensors.length === 0) return head;
  const dataOffset = pad(head.length, alignment);
  return Buffer.concat([head, Buffer.alloc(dataOffset - head.length + (file.data ?? end))]);
}
