import { mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ManifestRow } from '../../../../src/estimate/manifest/index.ts';
import { manifestRows } from '../../../../src/estimate/manifest/index.ts';

const FIXTURES = join(import.meta.dirname, '../../../fixtures/manifest');

function file(name: string, content: string | Uint8Array): string {
  const path = join(mkdtempSync(join(tmpdir(), 'mmdeploy-manifest-')), name);
  writeFileSync(path, content);
  return path;
}

async function rows(path: string, cwd = '/'): Promise<ManifestRow[]> {
  const all: ManifestRow[] = [];
  const stdin = () => Readable.from([]);
  for await (const batch of manifestRows(path, { cwd, stdin })) all.push(...batch);
  return all;
}

const inputs = (all: readonly ManifestRow[]) =>
  all.flatMap(({ parts }) => parts.map((part) => (part.kind === 'described' ? part.input : part)));
const csv = (text: string) => rows(file('a.csv', text));

describe('CSV', () => {
  it('reads columns by their names, whatever else there is', async () => {
    const all = await csv(
      '\ufeffid,Label,width,height,count\r\np1,cat,640,480,2\r\n\r\np2,"a ""dog""",5,6,\r\n',
    );
    expect(all).toMatchObject([
      { line: 2, key: 'p1', problem: null },
      { line: 4, key: 'p2', problem: null },
    ]);
    expect(inputs(all)).toMatchObject([
      { modality: 'image', width: 640, height: 480, count: 2, input: 'p1: 640x480' },
      { modality: 'image', width: 5, height: 6, count: 1 },
    ]);
  });

  it.each([
    ['seconds', '30', { modality: 'audio', seconds: 30 }],
    ['seconds,width,height,fps', '1.5,20,30,25', { modality: 'video', seconds: 1.5, fps: 25 }],
    ['text', '"two\nlines, and a comma"', { text: 'two\nlines, and a comma' }],
    ['text_tokens', '12', { textTokens: 12 }],
    ['file_name', '/a.png', { kind: 'file', path: '/a.png', modality: null }],
    ['image,width,height', '/a.png,3,4', { input: '/a.png', modality: 'image', width: 3 }],
    ['path,duration', '/a.wav,3', { input: '/a.wav', modality: 'audio', seconds: 3 }],
    ['video', '/a.bin', { kind: 'file', path: '/a.bin', modality: 'video' }],
    ['image,detail', '/a.png,low', { kind: 'file', detail: 'low' }],
  ])('%s: %s', async (header, line, expected) => {
    const all = await csv(`${header}\n${line}`);
    expect(all.map(({ problem }) => problem)).toEqual([null]);
    expect(inputs(all)).toMatchObject([expected]);
  });

  it.each([
    ['width,height', 'wide,3', 'line 2: width: "wide" is no number'],
    ['width,height', '0,3', 'line 2: image.width: 0 is not a whole number of pixels above zero'],
    ['width,height', '3', 'line 2: 1 cells, and the header has 2'],
    ['image,audio,seconds', 'a,b,3', 'line 2: seconds: of which of image and audio?'],
    ['id,path', 'x,', 'line 2: only id: no input in it (image, audio, video, path, text, textTokens, inputs, messages)'], // prettier-ignore
    ['text', '"never closed', expect.stringMatching(/^line 2: Quote Not Closed/)],
  ])('names what is wrong with %s: %s', async (header, line, problem) => {
    expect((await csv(`${header}\n${line}`)).map((row) => row.problem)).toEqual([problem]);
  });

  it('goes on behind a quotation mark in the middle of a cell', async () => {
    const all = await csv('text,id\n5" screen,a\n"x"y,b\nfine,c\n');
    expect(inputs(all)).toMatchObject([{ text: '5" screen' }, { text: '"x"y' }, { text: 'fine' }]);
  });

  it('refuses a table that has no input in it', async () => {
    await expect(csv('name,age\nann,3\n')).rejects.toMatchObject({
      code: 'input.invalid',
      message: expect.stringMatching(/a\.csv`: no column of an input among name, age$/),
    });
  });

  it('gives every text back that it was given', async () => {
    const cell = fc.string({ unit: 'grapheme' }).filter((text) => text.trim() !== '');
    await fc.assert(
      fc.asyncProperty(fc.array(cell, { minLength: 1 }), async (texts) => {
        const quoted = texts.map((text) => `"${text.replaceAll('"', '""')}"`);
        const all = inputs(await csv(`text\r\n${quoted.join('\r\n')}`));
        expect(all.map((input) => 'text' in input && input.text)).toEqual(texts);
      }),
      { numRuns: 30 },
    );
  });

  it('reads tabs in .tsv, and what is packed', async () => {
    expect(inputs(await rows(file('a.tsv', 'width\theight\n3\t4\n')))).toMatchObject([
      { width: 3 },
    ]);
    const packed = gzipSync('width,height\n3,4\n');
    expect(inputs(await rows(file('a.csv.gz', packed)))).toMatchObject([{ width: 3, height: 4 }]);
  });
});

describe('Parquet (written by DuckDB)', () => {
  it('reads numbers of all widths and passes over other columns', async () => {
    const all = await rows(join(FIXTURES, 'sizes-snappy.parquet'));
    expect(all).toHaveLength(30);
    expect(all[3]).toMatchObject({ line: 4, key: 'p3', problem: null });
    expect(inputs(all).slice(0, 2)).toMatchObject([
      { width: 100, height: 200, count: 5, input: 'p0: 100x200' },
      { width: 101, height: 201, count: 1 },
    ]);
  });

  it('reads one row group after the other', async () => {
    const all = await rows(join(FIXTURES, 'groups-gzip.parquet'));
    expect(all.map(({ line }) => line)).toEqual(Array.from({ length: 5000 }, (_, at) => at + 1));
    expect(inputs(all).at(-1)).toMatchObject({
      width: 5099,
      height: 5199,
      input: 'row 5000: 5099x5199',
    });
  });

  it('takes pictures out of the table, or their paths', async () => {
    const all = await rows('pictures.parquet', FIXTURES);
    expect(inputs(all)).toMatchObject([
      { kind: 'bytes', name: 'row 1: a.png', modality: 'image', whole: true },
      { text: 'what is this' },
      { kind: 'file', path: 'b.png', modality: 'image' },
    ]);
    const [picture] = inputs(all);
    const bytes = picture !== undefined && 'bytes' in picture ? picture.bytes : new Uint8Array();
    expect(Buffer.from(bytes.subarray(0, 4)).toString('hex')).toBe('89504e47');
  });

  it('lists rows whose packing it does not know', async () => {
    const all = await rows(join(FIXTURES, 'sizes-zstd.parquet'));
    expect(all).toMatchObject([
      { line: 1, parts: [], problem: expect.stringMatching(/^row 1: rows 1 to 10 cannot be read: .*ZSTD/) }, // prettier-ignore
    ]);
  });

  it('lists a row group that is damaged, and reads the others', async () => {
    const bytes = readFileSync(join(FIXTURES, 'groups-gzip.parquet'));
    bytes.fill(0, 30, 90);
    const all = await rows(file('a.parquet', bytes));
    expect(all[0]?.problem).toMatch(/^row 1: rows 1 to 2048 cannot be read/);
    expect(all).toHaveLength(1 + 5000 - 2048);
  });

  it.each(['other.parquet', 'cut.parquet', 'text.parquet', 'empty.parquet'])(
    'refuses %s, in which there is nothing to count',
    async (name) => {
      const path = file(name, name.startsWith('text') ? 'no parquet' : '');
      if (!/^(text|empty)/.test(name))
        writeFileSync(path, readFileSync(join(FIXTURES, 'other.parquet')));
      if (name.startsWith('cut')) truncateSync(path, 100);
      await expect(rows(path)).rejects.toMatchObject({ code: 'input.invalid' });
    },
  );
});
