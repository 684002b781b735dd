import { Buffer } from 'node:buffer';
import type { Cursor } from './cursor.ts';
import { invalid, quoted, unsupported } from './faults.ts';
import type { ByteSource, GgufArray, GgufMetadata, GgufScalar, MetadataValue } from './header.ts';
import { GGUF_VALUE_TYPES, type GgufValueType } from './types.ts';

/** Hard limits; each is far beyond what any published model has. */
const MAX_KEY_BYTES = 65_535;
const MAX_STRING_BYTES = 16 * 1024 * 1024;
const MAX_ARRAY_LENGTH = 16 * 1024 * 1024;
/** Key of one byte with its length, value type, value of one byte. */
export const MIN_ENTRY_BYTES = 8 + 1 + 4 + 1;
const LENGTH_BYTES = 8;

type ElementType = GgufArray['elementType'];
type NumberType = Exclude<ElementType, 'string' | 'bool'>;

/** Bytes of one value of a fixed size. */
const SIZES: Readonly<Record<NumberType | 'bool', number>> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  bool: 1,
  uint64: 8,
  int64: 8,
  float64: 8,
};

const TYPE_NAMES: ReadonlyMap<number, GgufValueType> = new Map(
  Object.entries(GGUF_VALUE_TYPES).map(([name, id]) => [id, name as GgufValueType]),
);

/** One key's value: scalars are kept, arrays only located. */
export type Entry = {
  /** Byte at which the value's type stands. */
  readonly at: number;
} & (
  | { readonly type: ElementType; readonly value: GgufScalar; readonly array?: undefined }
  | { readonly type: 'array'; readonly array: GgufArray }
);

/** Reads `count` key-values; throws `gguf.*` at the first that is not in order. */
export function readEntries(cursor: Cursor, count: number): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (let index = 0; index < count; index++) {
    const start = cursor.position;
    cursor.reading = `key ${index}`;
    const key = cursor.name(MAX_KEY_BYTES);
    if (key === '') throw invalid(cursor.source.name, start, `key ${index} is empty`);
    if (entries.has(key)) {
      throw invalid(cursor.source.name, start, `key ${quoted(key)} occurs twice`);
    }
    cursor.reading = `the value of ${quoted(key)}`;
    entries.set(key, readEntry(cursor));
  }
  return entries;
}

function readEntry(cursor: Cursor): Entry {
  const at = cursor.position;
  const type = readType(cursor);
  return type === 'array'
    ? { at, type, array: readArray(cursor) }
    : { at, type, value: readScalar(cursor, type) };
}

function readType(cursor: Cursor): GgufValueType {
  const id = cursor.u32();
  const type = TYPE_NAMES.get(id);
  if (type === undefined) {
    const at = cursor.position - 4;
    throw unsupported(cursor.source.name, at, `${cursor.reading} has the unknown type ${id}`);
  }
  return type;
}

function readArray(cursor: Cursor): GgufArray {
  const elementType = readType(cursor);
  if (elementType === 'array') {
    const at = cursor.position - 4;
    throw unsupported(
      cursor.source.name,
      at,
      `${cursor.reading} is an array of arrays, which llama.cpp refuses as well`,
    );
  }
  const length = cursor.count(MAX_ARRAY_LENGTH, 'elements');
  const offset = cursor.position;
  if (elementType === 'string') {
    cursor.checkRoom(length, LENGTH_BYTES);
    cursor.skipStrings(length, MAX_STRING_BYTES);
  } else {
    cursor.skip(length * SIZES[elementType]);
  }
  return { elementType, length, offset, bytes: cursor.position - offset };
}

function readScalar(cursor: Cursor, type: ElementType): GgufScalar {
  if (type === 'string') return cursor.text(MAX_STRING_BYTES);
  const start = cursor.position;
  const bytes = cursor.bytes(SIZES[type]);
  if (type !== 'bool') return numberAt(bytes, 0, type);
  const [value = 0] = bytes;
  if (value > 1) {
    throw invalid(cursor.source.name, start, `${cursor.reading} is a truth value of ${value}`);
  }
  return value === 1;
}

function numberAt(bytes: Buffer, at: number, type: NumberType): number | bigint {
  switch (type) {
    case 'uint8':
      return bytes.readUInt8(at);
    case 'int8':
      return bytes.readInt8(at);
    case 'uint16':
      return bytes.readUInt16LE(at);
    case 'int16':
      return bytes.readInt16LE(at);
    case 'uint32':
      return bytes.readUInt32LE(at);
    case 'int32':
      return bytes.readInt32LE(at);
    case 'float32':
      return bytes.readFloatLE(at);
    case 'float64':
      return bytes.readDoubleLE(at);
    case 'uint64':
      return asNumber(bytes.readBigUInt64LE(at));
    case 'int64':
      return asNumber(bytes.readBigInt64LE(at));
  }
}

function asNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** The accessor over entries that were read from `source`, which is asked again for arrays. */
export function metadataOf(source: ByteSource, entries: ReadonlyMap<string, Entry>): GgufMetadata {
  const arrayOf = (key: string, wanted: string, accepts: (type: ElementType) => boolean) => {
    const entry = entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.array !== undefined && accepts(entry.array.elementType)) return entry.array;
    const found = entry.array === undefined ? entry.type : `an array of ${entry.array.elementType}`;
    throw invalid(source.name, entry.at, `the value of ${quoted(key)} is ${found}, not ${wanted}`);
  };
  const strings = (key: string) => {
    const array = arrayOf(key, 'an array of strings', (type) => type === 'string');
    return array === undefined ? undefined : stringsOf(source, array);
  };
  const numbers = (key: string) => {
    const array = arrayOf(key, 'an array of numbers', isNumberType);
    return array === undefined ? undefined : numbersOf(source, array, key);
  };
  const get = (key: string): MetadataValue | undefined => {
    const entry = entries.get(key);
    if (entry?.array === undefined) return entry?.value;
    const { array } = entry;
    if (array.elementType === 'string') return stringsOf(source, array);
    if (array.elementType === 'bool') return Array.from(arrayBytes(source, array), (b) => b !== 0);
    return numbersOf(source, array, key);
  };
  return {
    keys: [...entries.keys()],
    get,
    array: (key) => entries.get(key)?.array,
    stringArray: strings,
    numberArray: numbers,
  };
}

function isNumberType(type: ElementType): type is NumberType {
  return type !== 'string' && type !== 'bool';
}

function arrayBytes(source: ByteSource, array: GgufArray): Buffer {
  const read = source.read(array.offset, array.bytes);
  if (read.byteLength < array.bytes) {
    throw invalid(source.name, array.offset, 'the file shrank after its header was read');
  }
  return Buffer.from(read.buffer, read.byteOffset, read.byteLength);
}

function stringsOf(source: ByteSource, array: GgufArray): string[] {
  const bytes = arrayBytes(source, array);
  const strings: string[] = [];
  let at = 0;
  for (let index = 0; index < array.length; index++) {
    // The upper half was checked to be 0 when the header was read; the file may have changed since.
    const end =
      at + LENGTH_BYTES + (at + LENGTH_BYTES <= bytes.length ? bytes.readUInt32LE(at) : 0);
    if (end > bytes.length) {
      throw invalid(source.name, array.offset + at, 'the file changed after its header was read');
    }
    strings.push(bytes.toString('utf8', at + LENGTH_BYTES, end));
    at = end;
  }
  return strings;
}

function numbersOf(source: ByteSource, array: GgufArray, key: string): number[] {
  const { elementType } = array;
  if (!isNumberType(elementType)) return [];
  const bytes = arrayBytes(source, array);
  const size = SIZES[elementType];
  return Array.from({ length: array.length }, (_, index) => {
    const value = numberAt(bytes, index * size, elementType);
    if (typeof value === 'number') return value;
    const at = array.offset + index * size;
    throw unsupported(source.name, at, `${quoted(key)} holds ${value}, beyond 2^53`);
  });
}
