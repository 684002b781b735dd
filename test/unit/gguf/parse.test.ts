import { GGMLQuantizationType, gguf as oracle } from '@huggingface/gguf';
import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MmdeployError } from '../../../src/errors.ts';
import type { ByteSource } from '../../../src/gguf/header.ts';
import { parseGguf } from '../../../src/gguf/parse.ts';
import { GGML_TYPES } from '../../../src/gguf/types.ts';
import { type GgufBytes, ggufBytes, str, u32, u64, type Value } from '../../helpers/gguf-bytes.ts';

const NAME = 'model.gguf';

function sourceOf(bytes: Buffer): ByteSource {
  return {
    name: NAME,
    size: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
  };
}

const parse = (file: GgufBytes) => parseGguf(sourceOf(ggufBytes(file)));

function failure(bytes: Buffer): MmdeployError {
  try {
    parseGguf(sourceOf(bytes));
  } catch (error) {
    if (error instanceof MmdeployError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

const SAMPLE: GgufBytes = {
  keys: [
    ['general.architecture', { t: 'str', v: 'llama' }],
    ['general.name', { t: 'str', v: 'Zażółć 🦙\n' }],
    ['a.u8', { t: 'u8', v: 255 }],
    ['a.i8', { t: 'i8', v: -128 }],
    ['a.u16', { t: 'u16', v: 65535 }],
    ['a.i16', { t: 'i16', v: -32768 }],
    ['a.u32', { t: 'u32', v: 4294967295 }],
    ['a.i32', { t: 'i32', v: -2147483648 }],
    ['a.f32', { t: 'f32', v: Math.fround(1e-5) }],
    ['a.f64', { t: 'f64', v: Math.PI }],
    ['a.u64', { t: 'u64', v: 2n ** 40n }],
    ['a.i64', { t: 'i64', v: -(2n ** 40n) }],
    ['a.bool', { t: 'bool', v: true }],
    ['a.tokens', { t: 'arr', of: 'str', v: ['<s>', '', '▁the', '\u0000x'] }],
    ['a.scores', { t: 'arr', of: 'f32', v: [0, -1, -2.5] }],
    ['a.heads', { t: 'arr', of: 'i32', v: [8, 0, -8] }],
    ['a.large', { t: 'arr', of: 'u64', v: [1n, 2n ** 50n] }],
    ['a.pattern', { t: 'arr', of: 'bool', v: [true, false, true] }],
    ['a.none', { t: 'arr', of: 'str', v: [] }],
  ],
  tensors: [
    { name: 'token_embd.weight', dims: [64, 100] },
    { name: 'output_norm.weight', dims: [7] },
    { name: 'v.patch_embd.weight', dims: [14, 14, 3, 4] },
    { name: 'scale', dims: [] },
  ],
};

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmdeploy-gguf-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Bigints as numbers, so that both sides print alike. */
const plain = (value: unknown) =>
  JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? Number(v) : v));

function expectSame(
  ours: ReturnType<typeof parseGguf>,
  theirs: Awaited<ReturnType<typeof oracle>>,
): void {
  const known = Object.entries(theirs.metadata).filter(
    ([key]) => !['version', 'tensor_count', 'kv_count'].includes(key),
  );
  expect(ours.metadata.keys).toHaveLength(known.length);
  for (const [key, value] of known) {
    expect(plain(ours.metadata.get(key)), key).toBe(plain(value));
  }
  const dataOffset = Number(theirs.tensorDataOffset);
  expect(ours.dataOffset).toBe(dataOffset);
  expect(
    ours.tensors.map(({ name, shape, type, offset }) => ({ name, shape, type, offset })),
  ).toEqual(
    theirs.tensorInfos.map((tensor) => ({
      name: tensor.name,
      shape: tensor.shape.map(Number),
      type: GGMLQuantizationType[tensor.dtype],
      offset: dataOffset + Number(tensor.offset),
    })),
  );
}

describe('a header in order', () => {
  it.each([2, 3])('reads version %i as @huggingface/gguf does', async (version) => {
    const bytes = ggufBytes({ ...SAMPLE, version });
    const path = join(folder, `v${version}.gguf`);
    writeFileSync(path, bytes);
    const theirs = await oracle(path, { allowLocalFile: true });
    const ours = parseGguf(sourceOf(bytes));

    expect(ours.version).toBe(version);
    expect(ours.metadata.keys).toEqual(SAMPLE.keys?.map(([key]) => key));
    expectSame(ours, theirs);
    expect(ours.tensors.map((tensor) => tensor.bytes)).toEqual([25_600, 28, 9_408, 4]);
  });

  it('locates arrays without reading them', () => {
    const bytes = ggufBytes(SAMPLE);
    const { metadata } = parseGguf(sourceOf(bytes));
    expect(metadata.array('a.tokens')).toMatchObject({ elementType: 'string', length: 4 });
    expect(metadata.array('a.u32')).toBeUndefined();
    expect(metadata.stringArray('a.tokens')).toEqual(['<s>', '', '▁the', '\u0000x']);
    expect(metadata.numberArray('a.scores')).toEqual([0, -1, -2.5]);
    expect(metadata.stringArray('absent')).toBeUndefined();
    expect(metadata.numberArray('absent')).toBeUndefined();
    expect(metadata.keys).toContain('a.none');
    for (const ask of [
      () => metadata.stringArray('a.scores'),
      () => metadata.stringArray('a.u32'),
      () => metadata.numberArray('a.tokens'),
      () => metadata.numberArray('a.pattern'),
    ]) {
      expect(ask).toThrow(/is (an array of )?\w+, not an array of/);
    }
  });

  it('keeps integers beyond 2^53 exact', () => {
    const file = parse({
      keys: [
        ['max', { t: 'u64', v: 2n ** 64n - 1n }],
        ['min', { t: 'i64', v: -(2n ** 63n) }],
        ['list', { t: 'arr', of: 'u64', v: [2n ** 60n] }],
      ],
    });
    expect(file.metadata.get('max')).toBe(2n ** 64n - 1n);
    expect(file.metadata.get('min')).toBe(-(2n ** 63n));
    expect(() => file.metadata.get('list')).toThrow(/beyond 2\^53/);
  });

  it('reads strings that are no UTF-8, as llama.cpp does', () => {
    const value = Buffer.concat([u32(8), str(Buffer.from([0x41, 0xff]))]);
    expect(
      parse({ keys: [['general.description', { t: 'raw', v: value }]] }).metadata.get(
        'general.description',
      ),
    ).toBe('A\ufffd');
  });

  it('reads a header of several windows in bounded pieces', () => {
    const tokens = Array.from({ length: 200_000 }, (_, index) => `token-${index}`);
    const bytes = ggufBytes({
      keys: [
        ['tokens', { t: 'arr', of: 'str', v: tokens }],
        ['after', { t: 'str', v: 'found' }],
      ],
      tensors: [{ name: 'w', dims: [4] }],
    });
    const source = sourceOf(bytes);
    const reads: number[] = [];
    const file = parseGguf({
      ...source,
      read: (offset, length) => {
        reads.push(length);
        return source.read(offset, length);
      },
    });
    expect(bytes.length).toBeGreaterThan(3 * 1024 * 1024);
    expect(Math.max(...reads)).toBeLessThanOrEqual(1024 * 1024);
    expect(file.metadata.get('after')).toBe('found');
    expect(file.metadata.stringArray('tokens')).toEqual(tokens);
  });

  it('passes over arrays of numbers without reading them', () => {
    const bytes = ggufBytes({
      keys: [
        ['scores', { t: 'arr', of: 'f64', v: Array.from({ length: 400_000 }, () => 1) }],
        ['after', { t: 'u8', v: 7 }],
      ],
    });
    let read = 0;
    const source = sourceOf(bytes);
    const file = parseGguf({
      ...source,
      read: (offset, length) => {
        read += length;
        return source.read(offset, length);
      },
    });
    expect(file.metadata.get('after')).toBe(7);
    expect(read).toBeLessThan(bytes.length / 2);
  });

  it('honours the alignment of the file', () => {
    const file = parse({
      keys: [['general.alignment', { t: 'u32', v: 256 }]],
      alignment: 256,
      tensors: [
        { name: 'a', dims: [3] },
        { name: 'b', dims: [3] },
      ],
    });
    expect(file.alignment).toBe(256);
    expect(file.dataOffset % 256).toBe(0);
    expect(file.tensors.map((t) => t.offset - file.dataOffset)).toEqual([0, 256]);
  });

  it('reads a file without tensors', () => {
    expect(parse({ keys: [['x', { t: 'u8', v: 1 }]] }).tensors).toEqual([]);
  });

  it('writes back what was written, whatever it is', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 20 });
    const value: fc.Arbitrary<Value> = fc.oneof(
      fc.record({ t: fc.constant('str' as const), v: text }),
      fc.record({ t: fc.constant('i32' as const), v: fc.integer() }),
      fc.record({ t: fc.constant('f64' as const), v: fc.double({ noNaN: true }) }),
      fc.record({
        t: fc.constant('arr' as const),
        of: fc.constant('str' as const),
        v: fc.array(text),
      }),
      fc.record({
        t: fc.constant('arr' as const),
        of: fc.constant('i32' as const),
        v: fc.array(fc.integer()),
      }),
    );
    const key = text.filter((k) => k !== '' && k !== 'general.alignment');
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(key, value), { selector: ([k]) => k }), (keys) => {
        const { metadata } = parse({ keys });
        expect(keys.map(([k]) => metadata.get(k))).toEqual(
          keys.map(([, v]) => (v as { v: unknown }).v),
        );
      }),
      { numRuns: 200, seed: 20 },
    );
  });
});

describe('a header that lies', () => {
  const one = { name: 'w', dims: [32] };
  const nested = Buffer.concat([u32(9), u32(9), u64(1), u32(9), u64(2 ** 40)]);
  const cases: Record<string, [GgufBytes | Buffer, string, RegExp]> = {
    'version 1': [{ version: 1 }, 'gguf.unsupported', /version 1, .*\(byte 4\)/],
    'version 4': [{ version: 4 }, 'gguf.unsupported', /version 4/],
    'version 0': [{ version: 0 }, 'gguf.unsupported', /version 0/],
    'the other byte order': [{ version: 0x03000000 }, 'gguf.unsupported', /big-endian/],
    '2^63 tensors': [
      { tensorCount: 2n ** 63n },
      'gguf.invalid',
      /number of tensors claims 9223372036854775808 tensors.*\(byte 8\)/,
    ],
    '2^64-1 keys': [{ keyCount: 2n ** 64n - 1n }, 'gguf.invalid', /18446744073709551615 keys/],
    'more keys than the file has room for': [
      { keyCount: 60_000n },
      'gguf.truncated',
      /24 of at least 840024 bytes/,
    ],
    'one key too many': [
      { keys: [['k', { t: 'u64', v: 1n }]], keyCount: 2n },
      'gguf.truncated',
      /bytes/,
    ],
    'a key of 2^63 bytes': [
      Buffer.concat([ggufBytes({ keyCount: 1n }), u64(2n ** 63n), Buffer.alloc(64)]),
      'gguf.invalid',
      /key 0 claims 9223372036854775808 bytes.*\(byte 24\)/,
    ],
    'a string beyond the end': [
      {
        keys: [['k', { t: 'raw', v: Buffer.concat([u32(8), u64(1000), Buffer.alloc(20)]) }]],
      },
      'gguf.truncated',
      /the value of "k" at byte 45/,
    ],
    'an empty key': [{ keys: [['', { t: 'u64', v: 1n }]] }, 'gguf.invalid', /key 0 is empty/],
    'a key that is no UTF-8': [
      { keys: [[Buffer.from([0x61, 0xc3, 0x28]), { t: 'u8', v: 1 }]] },
      'gguf.invalid',
      /key 0 is not valid UTF-8 \(byte 24\)/,
    ],
    'a key twice': [
      {
        keys: [
          ['twin', { t: 'u8', v: 1 }],
          ['twin', { t: 'u8', v: 2 }],
        ],
      },
      'gguf.invalid',
      /key "twin" occurs twice/,
    ],
    'an unknown value type': [
      { keys: [['k', { t: 'raw', v: Buffer.concat([u32(13), u64(1)]) }]] },
      'gguf.unsupported',
      /"k" has the unknown type 13 \(byte 33\)/,
    ],
    'an array of an unknown type': [
      { keys: [['k', { t: 'raw', v: Buffer.concat([u32(9), u32(77), u64(0)]) }]] },
      'gguf.unsupported',
      /unknown type 77/,
    ],
    'an array of arrays': [
      { keys: [['bomb', { t: 'raw', v: nested }]] },
      'gguf.unsupported',
      /"bomb" is an array of arrays/,
    ],
    'an array of 2^62 numbers': [
      { keys: [['k', { t: 'raw', v: Buffer.concat([u32(9), u32(5), u64(2n ** 62n)]) }]] },
      'gguf.invalid',
      /claims 4611686018427387904 elements/,
    ],
    'a million strings in ten bytes': [
      {
        keys: [['k', { t: 'raw', v: Buffer.concat([u32(9), u32(8), u64(1e6), u64(0)]) }]],
      },
      'gguf.truncated',
      /of at least 80000\d\d bytes/,
    ],
    'a truth value of 2': [
      { keys: [['k', { t: 'raw', v: Buffer.from([7, 0, 0, 0, 2]) }]] },
      'gguf.invalid',
      /truth value of 2/,
    ],
    'an alignment of 0': [
      { keys: [['general.alignment', { t: 'u32', v: 0 }]] },
      'gguf.invalid',
      /general.alignment is 0/,
    ],
    'an alignment of 48': [
      { keys: [['general.alignment', { t: 'u32', v: 48 }]] },
      'gguf.invalid',
      /general.alignment is 48/,
    ],
    'an alignment that is a string': [
      { keys: [['general.alignment', { t: 'str', v: '32' }]] },
      'gguf.invalid',
      /not a uint32 power of two/,
    ],
    'a tensor twice': [{ tensors: [one, one] }, 'gguf.invalid', /tensor "w" occurs twice/],
    'a tensor without a name': [
      { tensors: [{ name: '', dims: [32] }] },
      'gguf.invalid',
      /tensor 0 has no name/,
    ],
    'a tensor name of 64 bytes': [
      { tensors: [{ name: 'x'.repeat(64), dims: [32] }] },
      'gguf.invalid',
      /claims 64 bytes/,
    ],
    'a tensor name that is no UTF-8': [
      { tensors: [{ name: Buffer.from([0xff]), dims: [32] }] },
      'gguf.invalid',
      /name of tensor 0 is not valid UTF-8/,
    ],
    'five dimensions': [
      { tensors: [{ name: 'w', dims: [1, 1, 1, 1, 1] }] },
      'gguf.invalid',
      /5 dimensions/,
    ],
    'a dimension of 0': [
      { tensors: [{ name: 'w', dims: [32, 0] }] },
      'gguf.invalid',
      /dimension of 0/,
    ],
    'a dimension of 2^63': [
      { tensors: [{ name: 'w', dims: [2n ** 63n], bytes: 4 }] },
      'gguf.invalid',
      /dimension of 9223372036854775808/,
    ],
    'dimensions that overflow': [
      { tensors: [{ name: 'w', dims: [2 ** 31, 2 ** 31], bytes: 4 }] },
      'gguf.invalid',
      /more than 2\^53 elements/,
    ],
    'an unknown tensor type': [
      { tensors: [{ ...one, type: 99 }] },
      'gguf.unsupported',
      /tensor "w" has type number 99/,
    ],
    'a removed tensor type': [
      { tensors: [{ ...one, type: 4 }] },
      'gguf.unsupported',
      /type number 4/,
    ],
    'rows that are no whole blocks': [
      { tensors: [{ name: 'w', dims: [100], type: GGML_TYPES.Q4_K.id }] },
      'gguf.invalid',
      /rows of 100, no whole number of Q4_K blocks/,
    ],
    'data that is not aligned': [
      { tensors: [{ ...one, offset: 4 }] },
      'gguf.invalid',
      /no multiple of the alignment 32/,
    ],
    'data that overlaps': [
      { tensors: [one, { ...one, name: 'w2', offset: 0 }] },
      'gguf.invalid',
      /"w2" .* overlaps/,
    ],
    'a gap in the data': [{ tensors: [{ ...one, offset: 64 }] }, 'gguf.invalid', /a gap/],
    'data at 2^63': [
      { tensors: [{ ...one, offset: 2n ** 63n }] },
      'gguf.invalid',
      /ends beyond 2\^53/,
    ],
    'terminal escapes in a key': [
      { keys: [['\u001b[2J\u009b', { t: 'raw', v: u32(50) }]] },
      'gguf.unsupported',
      /"\\x1b\[2J\\x9b"/,
    ],
  };

  it.each(Object.entries(cases))('%s', (_, [file, code, message]) => {
    const error = failure(Buffer.isBuffer(file) ? file : ggufBytes(file));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
    expect(error.message).toContain(NAME);
    expect(error.message).toMatch(/byte \d+/);
    expect(error.hints.join()).toMatch(/`mmdeploy /);
  });

  it('says how much of an incomplete download is there', () => {
    const whole = ggufBytes({
      tensors: [
        { name: 'first', dims: [100] },
        { name: 'second', dims: [1000] },
      ],
    });
    const error = failure(whole.subarray(0, whole.length - 1));
    expect(error.code).toBe('gguf.truncated');
    expect(error.message).toContain(
      `${whole.length - 1} of ${whole.length} bytes are there: the download is incomplete`,
    );
    expect(error.message).toContain('"second"');
    expect(parseGguf(sourceOf(whole)).tensors).toHaveLength(2);
  });

  it('refuses every cut through the header', () => {
    const whole = ggufBytes(SAMPLE);
    for (let length = 0; length < whole.length; length++) {
      const { code } = failure(whole.subarray(0, length));
      expect(code, `cut at ${length}`).toBe('gguf.truncated');
    }
  });

  it('notices a file that shrinks while it is read', () => {
    const bytes = ggufBytes(SAMPLE);
    const source = sourceOf(bytes);
    expect(() =>
      parseGguf({ ...source, read: (o, l) => bytes.subarray(o, Math.min(o + l, 40)) }),
    ).toThrow(/shrank/);
    let shrunk = false;
    const { metadata } = parseGguf({
      ...source,
      read: (o, l) => (shrunk ? Buffer.alloc(0) : source.read(o, l)),
    });
    shrunk = true;
    expect(() => metadata.stringArray('a.tokens')).toThrow(/shrank/);
  });

  it('notices strings that changed after the header was read', () => {
    const bytes = Buffer.from(ggufBytes(SAMPLE));
    const { metadata } = parseGguf(sourceOf(bytes));
    bytes.writeUInt32LE(5_000, metadata.array('a.tokens')?.offset ?? 0);
    expect(() => metadata.stringArray('a.tokens')).toThrow(/changed/);
  });
});

describe('a mutated header', () => {
  /** mulberry32: the same mutations in every run. */
  function generator(seed: number): (below: number) => number {
    let state = seed;
    return (below) => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) % below;
    };
  }
  const EDGES = [
    0n,
    1n,
    0xffn,
    0xffffn,
    2n ** 31n,
    2n ** 32n,
    2n ** 53n,
    2n ** 63n,
    2n ** 64n - 1n,
  ];

  function mutate(whole: Buffer, below: (n: number) => number): Buffer {
    const bytes = Buffer.from(whole);
    for (let edits = 1 + below(3); edits > 0; edits--) {
      const at = below(bytes.length);
      const kind = below(4);
      if (kind === 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
      else if (kind === 1) bytes[at] = below(256);
      else if (kind === 2 && at + 8 <= bytes.length) {
        bytes.writeBigUInt64LE(EDGES[below(EDGES.length)] ?? 0n, at);
      } else return bytes.subarray(0, at);
    }
    return bytes;
  }

  it('is read as @huggingface/gguf reads it, or refused with the place', async () => {
    const whole = ggufBytes(SAMPLE);
    const below = generator(11669);
    const path = join(folder, 'mutant.gguf');
    let accepted = 0;
    for (let round = 0; round < 600; round++) {
      const bytes = mutate(whole, below);
      let ours: ReturnType<typeof parseGguf>;
      try {
        ours = parseGguf(sourceOf(bytes));
      } catch (error) {
        if (!(error instanceof MmdeployError)) throw error;
        expect(error.code).toMatch(/^gguf\.(truncated|invalid|unsupported)$/);
        expect(error.message).toMatch(/^model\.gguf: .*byte \d+/s);
        continue;
      }
      accepted++;
      writeFileSync(path, bytes);
      expectSame(ours, await oracle(path, { allowLocalFile: true }));
    }
    expect(accepted).toBeGreaterThan(50);
    expect(accepted).toBeLessThan(550);
  });
});
