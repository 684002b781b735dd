import { Cursor } from './cursor.ts';
import { invalid, unsupported } from './faults.ts';
import type { ByteSource, GgufMetadata, GgufTensor } from './header.ts';
import { type Entry, MIN_ENTRY_BYTES, metadataOf, readEntries } from './metadata.ts';
import { notGguf } from './not-gguf.ts';
import { MIN_TENSOR_BYTES, padded, placeTensors, readTensorInfos } from './tensors.ts';
import { GGUF_ALIGNMENT, GGUF_MAGIC } from './types.ts';

const MAX_KEYS = 65_536;
const MAX_TENSORS = 100_000;
/** The largest padding anybody has a use for; a power of two as all alignments are. */
const MAX_ALIGNMENT = 1024 * 1024;
const HEAD_BYTES = 512;

/** The header of one file, which may be a shard of a model. */
export type ParsedGguf = {
  readonly path: string;
  readonly fileBytes: number;
  readonly version: number;
  readonly alignment: number;
  readonly dataOffset: number;
  readonly metadata: GgufMetadata;
  readonly tensors: readonly GgufTensor[];
};

/**
 * Reads the header of a GGUF file, version 2 or 3, little endian, and checks all of it against the size
 * of the file. Accepts what llama.cpp accepts (`gguf.cpp`), within hard limits on counts and lengths, so
 * that time and memory stay bounded whatever the bytes are. Vocabularies are passed over, not built.
 *
 * Throws `gguf.truncated`, `gguf.invalid` or `gguf.unsupported`, naming the file and the byte.
 */
export function parseGguf(source: ByteSource): ParsedGguf {
  const cursor = new Cursor(source);
  const version = readVersion(cursor);
  cursor.reading = 'the number of tensors';
  const tensorCount = cursor.count(MAX_TENSORS, 'tensors');
  cursor.reading = 'the number of keys';
  const keyCount = cursor.count(MAX_KEYS, 'keys');
  cursor.reading = `the list of ${keyCount} keys and ${tensorCount} tensors`;
  cursor.checkRoom(1, keyCount * MIN_ENTRY_BYTES + tensorCount * MIN_TENSOR_BYTES);

  const entries = readEntries(cursor, keyCount);
  const alignment = readAlignment(source, entries);
  const listed = readTensorInfos(cursor, tensorCount);
  const dataOffset = tensorCount === 0 ? cursor.position : padded(cursor.position, alignment);
  return {
    path: source.name,
    fileBytes: source.size,
    version,
    alignment,
    dataOffset,
    metadata: metadataOf(source, entries),
    tensors: placeTensors(source, listed, { dataOffset, alignment }),
  };
}

function readVersion(cursor: Cursor): number {
  const { source } = cursor;
  const head = source.read(0, Math.min(HEAD_BYTES, source.size));
  const magic = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head.byteLength < 4 || magic.getUint32(0, true) !== GGUF_MAGIC) {
    throw notGguf(source.name, source.size, head);
  }
  cursor.skip(4);
  cursor.reading = 'the version';
  const version = cursor.u32();
  // A file of the other byte order keeps the letters GGUF and turns 3 into 0x03000000.
  if (version !== 0 && (version & 0xffff) === 0) {
    throw unsupported(source.name, 4, 'a big-endian GGUF file; only little-endian ones are read');
  }
  if (version === 1) {
    throw unsupported(source.name, 4, 'GGUF version 1, which llama.cpp no longer reads');
  }
  if (version !== 2 && version !== 3) {
    throw unsupported(source.name, 4, `GGUF version ${version}; versions 2 and 3 are known`);
  }
  return version;
}

function readAlignment(source: ByteSource, entries: ReadonlyMap<string, Entry>): number {
  const entry = entries.get('general.alignment');
  if (entry === undefined) return GGUF_ALIGNMENT;
  const value = entry.array === undefined ? entry.value : entry.array.elementType;
  if (
    entry.type !== 'uint32' ||
    typeof value !== 'number' ||
    value < 1 ||
    value > MAX_ALIGNMENT ||
    (value & (value - 1)) !== 0
  ) {
    const what = `general.alignment is ${value} (${entry.type}), not a uint32 power of two`;
    throw invalid(source.name, entry.at, what);
  }
  return value;
}
