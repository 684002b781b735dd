import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { ManifestFormat, ManifestRow } from '../../../../src/estimate/manifest/index.ts';
import { manifestRows } from '../../../../src/estimate/manifest/index.ts';

const LINES = 200_000;
const PER_CHUNK = 1000;

describe('a manifest of 200,000 lines', () => {
  it.each([
    ['jsonl', '', (at: number) => `{"id":"p${at}","image":{"width":${at},"height":7}}\n`],
    ['csv', 'id,width,height\n', (at: number) => `p${at},${at},7\n`],
    ['list', '', (at: number) => `pictures/${at}.png\n`],
  ] as const)('of %s is read as it is asked for, and no further', async (format, header, line) => {
    let written = 0;
    function* chunks() {
      yield Buffer.from(header);
      for (let at = 1; at <= LINES; at += PER_CHUNK) {
        const texts = Array.from({ length: PER_CHUNK }, (_, offset) => line(at + offset));
        written += PER_CHUNK;
        yield Buffer.from(texts.join(''));
      }
    }
    const stdin = () => Readable.from(chunks(), { highWaterMark: 1 });
    let read = 0;
    let most = 0;
    let problems = 0;
    const options = { cwd: '/', stdin, format: format as ManifestFormat };
    for await (const rows of manifestRows('-', options)) {
      most = Math.max(most, written - read);
      for (const row of rows) if (row.problem !== null) problems += 1;
      read += rows.length;
    }
    expect({ read, problems }).toEqual({ read: LINES, problems: 0 });
    expect(most).toBeLessThanOrEqual(4 * PER_CHUNK);
  });
});

describe('a manifest that breaks off', () => {
  const lines = Array.from({ length: 50_000 }, (_, at) => `{"textTokens":${at}}`).join('\n');
  const path = join(mkdtempSync(join(tmpdir(), 'mmdeploy-broken-')), 'a.jsonl.gz');
  const rowsOf = async () => {
    const all: ManifestRow[] = [];
    const stdin = () => Readable.from([]);
    for await (const rows of manifestRows(path, { cwd: '/', stdin })) all.push(...rows);
    return all;
  };

  it('counts what came before the end of its archive was missing', async () => {
    const packed = gzipSync(lines);
    writeFileSync(path, packed.subarray(0, packed.length - 1000));
    const all = await rowsOf();
    expect(all.length).toBeGreaterThan(10_000);
    expect(all.at(-1)?.problem).toMatch(
      /^line \d+: the rest cannot be read: unexpected end of file$/,
    );
    expect(all.slice(0, -1).every(({ problem }) => problem === null)).toBe(true);
  });

  it('names a file that is no archive', async () => {
    writeFileSync(path, lines);
    expect(readFileSync(path)[0]).not.toBe(0x1f);
    expect(await rowsOf()).toMatchObject([
      { line: 1, problem: expect.stringMatching(/incorrect header/) },
    ]);
  });
});
