import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ErrorCode, MmdeployError } from '../../../src/errors.ts';
import { readGgufHeader } from '../../../src/gguf/read-file.ts';
import { type GgufBytes, ggufBytes, u64, type Value } from '../../helpers/gguf-bytes.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mmdeploy-read-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function write(name: string, bytes: Buffer | string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}

function failure(path: string): MmdeployError {
  try {
    readGgufHeader(path);
  } catch (error) {
    if (error instanceof MmdeployError) return error;
    throw error;
  }
  throw new Error(`${path} was accepted`);
}

const SAMPLE: GgufBytes = {
  keys: [['general.architecture', { t: 'str', v: 'llama' }]],
  tensors: [{ name: 'w', dims: [64, 3] }],
};

describe('a file of one piece', () => {
  it('is read, with the size the disk says', () => {
    const path = write('one.gguf', ggufBytes(SAMPLE));
    const header = readGgufHeader(path);
    expect(header.path).toBe(path);
    expect(header.fileBytes).toBe(ggufBytes(SAMPLE).length);
    expect(header.get('general.architecture')).toBe('llama');
    expect(header.tensors).toMatchObject([{ name: 'w', bytes: 768, offset: header.dataOffset }]);
    expect(header.shards).toEqual([
      { path, fileBytes: header.fileBytes, dataOffset: header.dataOffset },
    ]);
  });

  it('is read from a sparse file of 40 GB through a link', () => {
    const huge = 10 * 2 ** 30;
    const bytes = ggufBytes({ ...SAMPLE, tensors: [{ name: 'w', dims: [huge], bytes: 0 }] });
    const path = write('sparse.gguf', bytes);
    const needed = Math.ceil(bytes.length / 32) * 32 + huge * 4;
    truncateSync(path, needed - 1);
    expect(failure(path).message).toContain(`${needed - 1} of ${needed} bytes are there`);
    truncateSync(path, needed);
    const link = join(folder, 'link.gguf');
    symlinkSync(path, link);
    expect(readGgufHeader(link).tensors[0]?.bytes).toBe(huge * 4);
  });
});

describe('a split file', () => {
  const shard = (index: number, count: number, names: string[], more: GgufBytes['keys'] = []) => ({
    keys: [
      ['split.no', { t: 'u16', v: index }],
      ['split.count', { t: 'u16', v: count }],
      ['split.tensors.count', { t: 'i32', v: 3 }],
      ...more,
    ] as (readonly [string, Value])[],
    tensors: names.map((name) => ({ name, dims: [10] })),
  });
  const writeShards = (stem: string, shards: GgufBytes[]) =>
    shards.map((content, index) => {
      const number = String(index + 1).padStart(5, '0');
      const count = String(shards.length).padStart(5, '0');
      return write(`${stem}-${number}-of-${count}.gguf`, ggufBytes(content));
    });

  it('is read whole from any of its shards', () => {
    const paths = writeShards('split/model', [
      shard(0, 3, [], [['general.name', { t: 'str', v: 'split' }]]),
      shard(1, 3, ['a', 'b']),
      shard(2, 3, ['c']),
    ]);
    const headers = paths.map((path) => readGgufHeader(path));
    for (const header of headers) {
      expect(header.path).toBe(paths[0]);
      expect(header.get('general.name')).toBe('split');
      expect(header.tensors.map(({ name, shard: at }) => [name, at])).toEqual([
        ['a', 1],
        ['b', 1],
        ['c', 2],
      ]);
      expect(header.shards.map((s) => s.path)).toEqual(paths);
      expect(header.fileBytes).toBe(header.shards.reduce((sum, s) => sum + s.fileBytes, 0));
    }
  });

  it('names the shard that is missing', () => {
    const paths = writeShards('gap/model', [shard(0, 2, ['a', 'b']), shard(1, 2, ['c'])]);
    rmSync(paths[1] ?? '');
    const error = failure(paths[0] ?? '');
    expect(error.code).toBe('file.missing');
    expect(error.message).toContain(paths[1]);
    expect(error.hints.join()).toContain('model-00002-of-00002.gguf');
  });

  it('names the shard whose download is incomplete', () => {
    const paths = writeShards('short/model', [shard(0, 2, ['a', 'b']), shard(1, 2, ['c'])]);
    truncateSync(paths[1] ?? '', ggufBytes(shard(1, 2, ['c'])).length - 8);
    const error = failure(paths[0] ?? '');
    expect(error.code).toBe('gguf.truncated');
    expect(error.message).toContain(paths[1]);
  });

  it.each<[string, GgufBytes[], RegExp]>([
    [
      'a shard of another place',
      [shard(0, 2, ['a', 'b']), shard(0, 2, ['c'])],
      /says shard 0 of 2/,
    ],
    ['a whole file as a shard', [shard(0, 2, ['a', 'b']), SAMPLE], /shard undefined of undefined/],
    ['a tensor in two shards', [shard(0, 2, ['a', 'b']), shard(1, 2, ['b'])], /"b" is in .*00001/],
    ['too few tensors', [shard(0, 2, ['a']), shard(1, 2, ['c'])], /is 3, but the files hold 2/],
  ])('is refused with %s', (name, shards, message) => {
    const paths = writeShards(`mixed/${name}`, shards);
    const error = failure(paths[0] ?? '');
    expect(error.code).toBe('gguf.invalid');
    expect(error.message).toMatch(message);
  });

  it('is refused under a name that does not lead to the others', () => {
    const path = write('renamed.gguf', ggufBytes(shard(0, 2, ['a'])));
    const error = failure(path);
    expect(error.code).toBe('gguf.invalid');
    expect(error.message).toContain('does not end in -NNNNN-of-00002.gguf');
  });

  it('is not taken for one by its name alone', () => {
    const path = write('plain-00001-of-00009.gguf', ggufBytes(SAMPLE));
    expect(readGgufHeader(path).shards).toHaveLength(1);
  });

  it.each<Value>([
    { t: 'u64', v: 2n ** 63n },
    { t: 'i32', v: -4 },
    { t: 'f32', v: 1.5 },
    { t: 'str', v: 'two' },
  ])('is refused with a count of $v', (value) => {
    const path = write('count.gguf', ggufBytes({ keys: [['split.count', value]] }));
    expect(failure(path).message).toMatch(/split\.count is/);
  });
});

describe('what is no GGUF file', () => {
  const safetensors = Buffer.concat([u64(20), Buffer.from('{"w":{"dtype":"F16"}}')]);
  const lfs = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4368450304\n';
  it.each<[string, Buffer | string, ErrorCode, RegExp, RegExp]>([
    ['an empty file', '', 'gguf.truncated', /is empty/, /fetch the file again/i],
    ['two bytes', 'GG', 'gguf.truncated', /only 2 bytes/, /fetch the file again/i],
    ['zeros', Buffer.alloc(4096), 'gguf.truncated', /zeros/, /fetch the file again/i],
    ['a git-lfs pointer', lfs, 'gguf.invalid', /git-lfs pointer.*4368450304/, /git lfs pull/],
    [
      'an HTML page',
      '\n<!DOCTYPE html><html class="">',
      'gguf.invalid',
      /HTML page/,
      /\/resolve\//,
    ],
    ['safetensors', safetensors, 'gguf.unsupported', /safetensors/, /convert_hf_to_gguf/],
    ['GGJT', 'tjgg\u0003\u0000\u0000\u0000', 'gguf.unsupported', /before GGUF/, /fetch a GGUF/i],
    ['a zip', 'PK\u0003\u0004\u0000\u0000', 'gguf.unsupported', /zip archive/, /fetch a GGUF/i],
    ['gzip', Buffer.from([0x1f, 0x8b, 8, 0]), 'gguf.unsupported', /compressed/, /gunzip/],
    ['a message', 'Entry not found', 'gguf.invalid', /says "Entry not found"/, /mend its cause/],
    ['JSON', '{"error":"gated"}', 'gguf.invalid', /says "\{"error":"gated"\}"/, /mend its cause/],
    ['noise', Buffer.from([0xde, 0xad, 0xbe, 0xef, 0]), 'gguf.invalid', /0xdeadbeef/, /\.gguf/],
  ])('%s', (name, content, code, message, hint) => {
    const path = write(`${name.replaceAll(' ', '-')}.gguf`, content);
    const error = failure(path);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(path);
    expect(error.code).toBe(code);
    expect(error.hints.join()).toMatch(hint);
    expect(error.hints.join()).toMatch(/`mmdeploy plan /);
  });

  it('a folder: offers the models in it, projectors last', () => {
    write('models/mmproj-a.gguf', '');
    write('models/my model.gguf', '');
    write('models/notes.txt', '');
    const error = failure(join(folder, 'models'));
    expect(error.code).toBe('input.invalid');
    expect(error.message).toContain('a folder');
    expect(error.hints).toEqual([
      `\`mmdeploy plan '${join(folder, 'models', 'my model.gguf')}'\``,
      `\`mmdeploy plan ${join(folder, 'models', 'mmproj-a.gguf')}\``,
    ]);
    mkdirSync(join(folder, 'bare'));
    expect(failure(join(folder, 'bare')).hints.join()).toContain('`mmdeploy plan MODEL.gguf`');
  });

  it('a missing file: offers near names', () => {
    const there = write('near/llava-1.5-7b.Q4_K_M.gguf', '');
    const error = failure(join(folder, 'near', 'llava-1.5-7b.Q4_K_S.gguf'));
    expect(error.code).toBe('file.missing');
    expect(error.hints).toEqual([`did you mean \`mmdeploy plan ${there}\`?`]);
    for (const path of [join(folder, 'no', 'such.gguf'), join(there, 'below.gguf')]) {
      expect(failure(path).code).toBe('file.missing');
      expect(failure(path).hints.join()).toContain('`mmdeploy models`');
    }
  });

  it.skipIf(process.platform === 'win32')('a device: is refused unread', () => {
    expect(failure('/dev/zero').message).toContain('a device or pipe');
  });

  it('a name that is too long for the disk', () => {
    const error = failure(join(folder, 'x'.repeat(5000)));
    expect(error.code).toBe('file.unreadable');
    expect(error.message).toContain('ENAMETOOLONG');
  });
});
