import { Buffer } from 'node:buffer';
import { invalid, truncated } from './faults.ts';
import type { ByteSource } from './header.ts';

/** Bytes read ahead at a time: a large header then costs a handful of reads. */
const WINDOW_BYTES = 1024 * 1024;
/** The largest header of a published model is under 20 MiB; beyond this a file is taken to be hostile. */
const MAX_HEADER_BYTES = 128 * 1024 * 1024;

/** Of the length before a string. */
const LENGTH_BYTES = 8;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads little-endian values one after another from a `ByteSource`. Every read is checked against the
 * size of the file first: it throws `gguf.truncated` with the offset and never returns made-up bytes.
 */
export class Cursor {
  readonly source: ByteSource;
  /** What is being read now: it names the place in error messages. */
  reading = 'the header';
  #window: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #windowStart = 0;
  #position = 0;

  constructor(source: ByteSource) {
    this.source = source;
  }

  get position(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.source.size - this.#position;
  }

  u8(): number {
    const at = this.#take(1);
    return this.#window.readUInt8(at);
  }

  u32(): number {
    const at = this.#take(4);
    return this.#window.readUInt32LE(at);
  }

  u64(): bigint {
    const at = this.#take(8);
    return this.#window.readBigUInt64LE(at);
  }

  /** A length or count of 64 bits; more than `limit` throws `gguf.invalid`. */
  count(limit: number, unit: string): number {
    const at = this.#take(8);
    const count = this.#window.readUInt32LE(at) + this.#window.readUInt32LE(at + 4) * 2 ** 32;
    if (count > limit) {
      const exact = this.#window.readBigUInt64LE(at);
      throw invalid(
        this.source.name,
        this.#position - 8,
        `${this.reading} claims ${exact} ${unit}, the most a real file has is ${limit}`,
      );
    }
    return count;
  }

  /** The next `length` bytes; valid until the next read. */
  bytes(length: number): Buffer {
    const at = this.#take(length);
    return this.#window.subarray(at, at + length);
  }

  /** A string with its length before it; bytes that are no UTF-8 become U+FFFD. */
  text(limit: number): string {
    return this.bytes(this.count(limit, 'bytes')).toString('utf8');
  }

  /** A string that must be valid UTF-8, because things are found by it. */
  name(limit: number): string {
    const start = this.#position;
    const bytes = this.bytes(this.count(limit, 'bytes'));
    try {
      return strictUtf8.decode(bytes);
    } catch {
      throw invalid(this.source.name, start, `${this.reading} is not valid UTF-8`);
    }
  }

  /** Passes over `length` bytes without reading them. */
  skip(length: number): void {
    this.#check(length);
    this.#position += length;
  }

  /** Passes over `count` strings, reading only their lengths. */
  skipStrings(count: number, limit: number): void {
    for (let left = count; left > 0; left--) {
      left -= this.#skipStringsInWindow(left - 1, limit);
      this.skip(this.count(limit, 'bytes'));
    }
  }

  /**
   * Passes over at most `count` strings that lie in the window and returns how many they were. A vocabulary has hundreds of thousands: this loop without calls is most of the reading.
   */
  #skipStringsInWindow(count: number, limit: number): number {
    const { byteLength } = this.#view;
    let at = this.#position - this.#windowStart;
    let passed = 0;
    while (passed < count && at + LENGTH_BYTES <= byteLength) {
      const length = this.#view.getUint32(at, true);
      const end = at + LENGTH_BYTES + length;
      if (length > limit || end > byteLength || this.#view.getUint32(at + 4, true) !== 0) break;
      at = end;
      passed++;
    }
    this.#position = this.#windowStart + at;
    return passed;
  }

  /** Throws `gguf.truncated` unless `count` things of at least `minimumBytes` each can follow. */
  checkRoom(count: number, minimumBytes: number): void {
    this.#check(count * minimumBytes);
  }

  #check(length: number): void {
    const end = this.#position + length;
    if (end > this.source.size) {
      throw truncated(this.source.name, {
        offset: this.#position,
        size: this.source.size,
        needed: end,
        what: this.reading,
        atLeast: true,
      });
    }
    if (end > MAX_HEADER_BYTES) {
      throw invalid(
        this.source.name,
        this.#position,
        `the header goes on beyond ${MAX_HEADER_BYTES} bytes, at ${this.reading}`,
      );
    }
  }

  /** Makes the next `length` bytes available, moves past them and returns their place in the window. */
  #take(length: number): number {
    const at = this.#position - this.#windowStart;
    if (at >= 0 && at + length <= this.#window.length) {
      this.#position += length;
      return at;
    }
    this.#check(length);
    const wanted = Math.min(Math.max(length, WINDOW_BYTES), this.remaining);
    const read = this.source.read(this.#position, wanted);
    this.#window = Buffer.from(read.buffer, read.byteOffset, read.byteLength);
    this.#view = new DataView(read.buffer, read.byteOffset, read.byteLength);
    this.#windowStart = this.#position;
    if (read.byteLength < length) {
      throw invalid(this.source.name, this.#position, 'the file shrank while it was read');
    }
    this.#position += length;
    return 0;
  }
}
