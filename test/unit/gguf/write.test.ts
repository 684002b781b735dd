import { GGMLQuantizationType, gguf as oracle } from '@huggingface/gguf';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TensorInfo } from '../../../src/contracts/model.ts';
import { GGML_TYPES, ggmlTypeName, rowBytes, tensorBytes } from '../../../src/gguf/types.ts';
import { writeGguf, writeGgufOnce } from '../../../src/gguf/write-file.ts';
import { placeGguf } from '../../../src/gguf/write.ts';
import type { GgufContent } from '../../../src/gguf/write.ts';

const CONTENT: GgufContent = {
  metadata: [
    ['general.architecture', { type: 'string', value: 'llama' }],
    ['general.name', { type: 'string', value: 'Zażółć 🦙' }],
    ['n.u8', { type: 'uint8', value: 255 }],
    ['n.i8', { type: 'int8', value: -128 }],
    ['n.u16', { type: 'uint16', value: 65535 }],
    ['n.i16', { type: 'int16', value: -2 }],
    ['n.u32', { type: 'uint32', value: 4294967295 }],
    ['n.i32', { type: 'int32', value: -5 }],
    ['n.u64', { type: 'uint64', value: 2 ** 40 }],
    ['n.i64', { type: 'int64', value: -(2 ** 40) }],
    ['n.f32', { type: 'float32', value: 0.5 }],
    ['n.f64', { type: 'float64', value: Math.PI }],
    ['n.bool', { type: 'bool', value: true }],
    ['a.strings', { type: 'array', of: 'string', value: ['<s>', '', '▁the'] }],
    ['a.floats', { type: 'array', of: 'float32', value: Float32Array.of(0, -1, 2.5) }],
    ['a.ints', { type: 'array', of: 'int32', value: [8, 0, -8] }],
    ['a.bools', { type: 'array', of: 'bool', value: [true, false] }],
    ['a.none', { type: 'array', of: 'string', value: [] }],
  ],
  tensors: [
    { name: 'token_embd.weight', shape: [256, 10], type: 'Q4_K' },
    { name: 'output_norm.weight', shape: [7], type: 'F32' },
    { name: 'v.patch_embd.weight', shape: [14, 14, 3, 4], type: 'F16' },
  ],
};

/** 1, 2, 3 … in two unequal pieces. */
function* counting(tensor: TensorInfo): Generator<Uint8Array> {
  const all = Uint8Array.from({ length: tensorBytes(tensor) }, (_, index) => index + 1);
  yield all.subarray(0, 5);
  yield all.subarray(5);
}

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmdeploy-write-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('the types', () => {
  it('have the numbers that @huggingface/gguf knows', () => {
    const theirs = Object.entries(GGMLQuantizationType).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number',
    );
    const ours = Object.entries(GGML_TYPES).map(([name, { id }]) => [name, id]);
    expect(ours).toEqual(theirs);
    expect(theirs.map(([, id]) => ggmlTypeName(id))).toEqual(theirs.map(([name]) => name));
    expect(ggmlTypeName(4)).toBeUndefined();
  });

  it('refuse a row that is no whole number of blocks', () => {
    expect(rowBytes('Q4_K', 512)).toBe(288);
    expect(() => rowBytes('Q4_K', 3420)).toThrow(/3420 elements .* Q4_K blocks of 256/);
    expect(() => rowBytes('Q9_X', 32)).toThrow(/Unknown tensor type Q9_X/);
  });

  it('make a scalar one element', () => {
    expect(tensorBytes({ shape: [], type: 'F32' })).toBe(4);
  });
});

describe('writeGguf', () => {
  it('writes what @huggingface/gguf reads back', async () => {
    const path = join(folder, 'read-back.gguf');
    const total = await writeGguf(path, CONTENT, counting);
    const read = await oracle(path, { allowLocalFile: true });

    for (const [key, entry] of CONTENT.metadata) {
      const value = entry.type === 'array' ? Array.from<unknown>(entry.value) : entry.value;
      const found: unknown = (read.metadata as Record<string, unknown>)[key];
      expect(typeof found === 'bigint' ? Number(found) : found, key).toEqual(value);
    }
    expect(read.metadata.kv_count).toBe(BigInt(CONTENT.metadata.length));
    expect(
      read.tensorInfos.map(({ name, shape, dtype }) => ({
        name,
        shape: shape.map(Number),
        type: GGMLQuantizationType[dtype],
      })),
    ).toEqual(CONTENT.tensors);

    const bytes = readFileSync(path);
    expect(bytes.length).toBe(total);
    for (const [index, tensor] of CONTENT.tensors.entries()) {
      const start = Number(read.tensorDataOffset) + Number(read.tensorInfos[index]!.offset);
      expect(start % 32).toBe(0);
      const data = Buffer.concat([...counting(tensor)]);
      expect(bytes.subarray(start, start + data.length).equals(data), tensor.name).toBe(true);
    }
  });

  it('leaves holes where there is no data', async () => {
    const path = join(folder, 'sparse.gguf');
    const tensors = [{ name: 'w', shape: [256, 4_000_000], type: 'Q4_K' }];
    const total = await writeGguf(path, { ...CONTENT, tensors }, null);
    const { size, blocks, mode } = statSync(path);
    expect(size).toBe(total);
    expect(total).toBeGreaterThan(576_000_000);
    expect(blocks * 512).toBeLessThan(1_000_000);
    expect(mode & 0o777).toBe(0o644);
  });

  it('leaves nothing behind when the data is not what the header says', async () => {
    const path = join(folder, 'wrong.gguf');
    const short = () => [Uint8Array.of(1, 2, 3)];
    await expect(writeGguf(path, CONTENT, short)).rejects.toThrow(
      /data given for tensor token_embd.weight is not its 1440 bytes/,
    );
    const long = (tensor: TensorInfo) => [new Uint8Array(tensorBytes(tensor) + 1)];
    await expect(writeGguf(path, CONTENT, long)).rejects.toThrow(/not its 1440 bytes/);
    expect(readdirSync(folder).filter((name) => name.startsWith('wrong'))).toEqual([]);
  });

  it('keeps the file that is there when writing fails', async () => {
    const path = join(folder, 'kept.gguf');
    writeFileSync(path, 'before');
    await expect(writeGguf(path, CONTENT, () => [])).rejects.toThrow(/not its 1440 bytes/);
    expect(readFileSync(path, 'utf8')).toBe('before');
  });

  it('writes once, and again after a change of a single byte', async () => {
    const path = join(folder, 'once.gguf');
    expect(await writeGgufOnce(path, CONTENT, counting)).toBe(true);
    const before = statSync(path).ino;
    expect(await writeGgufOnce(path, CONTENT, counting)).toBe(false);
    expect(statSync(path).ino).toBe(before);

    const bytes = readFileSync(path);
    const { tensors } = placeGguf(CONTENT);
    const at = tensors[2]!.offset + 9;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(path, bytes);
    expect(await writeGgufOnce(path, CONTENT, counting)).toBe(true);
    writeFileSync(path, bytes.subarray(0, -1));
    expect(await writeGgufOnce(path, CONTENT, counting)).toBe(true);
  });
});

describe('placeGguf', () => {
  it('refuses names that occur twice and five dimensions', () => {
    const [tensor] = CONTENT.tensors;
    const [entry] = CONTENT.metadata;
    expect(() => placeGguf({ metadata: [], tensors: [tensor!, tensor!] })).toThrow(
      /Duplicate tensor token_embd.weight/,
    );
    expect(() => placeGguf({ metadata: [entry!, entry!], tensors: [] })).toThrow(
      /Duplicate metadata key general.architecture/,
    );
    expect(() =>
      placeGguf({ metadata: [], tensors: [{ name: 'x', shape: [1, 1, 1, 1, 1], type: 'F32' }] }),
    ).toThrow(/x has 5 dimensions; 4 are the most/);
  });

  it('grows with the header', () => {
    const tokens = Array.from({ length: 100_000 }, (_, index) => `token ${index}`);
    const { header } = placeGguf({
      metadata: [['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: tokens }]],
      tensors: [],
    });
    const text = tokens.reduce((total, token) => total + 8 + token.length, 0);
    expect(header.length - text).toBeLessThan(128);
    expect(Buffer.from(header).includes('token 99999')).toBe(true);
  });
});
