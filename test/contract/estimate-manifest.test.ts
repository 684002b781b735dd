import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { Estimate } from '../../src/contracts/estimate.ts';
import type { Io } from '../../src/cli/io.ts';
import { mmdeploy } from '../helpers/cli.ts';

const png = async (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#123456' } })
    .png()
    .toBuffer();

function folder(files: Readonly<Record<string, string | Uint8Array>>): string {
  const path = mkdtempSync(join(tmpdir(), 'mmdeploy-lists-'));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

const lines = (...items: readonly unknown[]) =>
  items.map((item) => (typeof item === 'string' ? item : JSON.stringify(item))).join('\n');

async function estimate(argv: readonly string[], io: Partial<Io> = {}) {
  const all = ['estimate', ...argv, '--model', 'gpt-4o', '-o', 'json', '--items'];
  const { code, stdout, stderr } = await mmdeploy(all, io);
  const document = stdout === '' ? null : (JSON.parse(stdout) as Estimate);
  const items = (document?.models[0]?.items ?? []).map(({ input, tokens, count }) => [
    input,
    tokens,
    count,
  ]);
  return { code, stderr, document, items };
}

// 512x512 in gpt-4o: a base of 85 and one tile of 170 (OpenAI, guide "images and vision").
const TILE = 255;
const LOW = 85;

describe('estimate --manifest', () => {
  it('finds files from the folder of the manifest, and shows them as seen from here', async () => {
    const cwd = folder({
      'data/list.jsonl': lines({ image: 'a.png' }, { image: 'sub/b.png', count: 2 }),
      'data/a.png': await png(512, 512),
      'data/sub/b.png': await png(512, 512),
    });
    const { items, document, code } = await estimate(['--manifest', 'data/list.jsonl'], { cwd });
    expect(items).toEqual([
      ['data/a.png', TILE, 1],
      ['data/sub/b.png', TILE, 2],
    ]);
    expect(document?.inputs).toMatchObject({ files: 2, images: 3, unreadable: [] });
    expect(code).toBe(0);
  });

  it('lists each line that cannot be read and counts the others; --strict is exit 7', async () => {
    const cwd = folder({
      'list.jsonl': lines(
        { id: 'good', image: { width: 512, height: 512 } },
        '{"image": ',
        { imgae: 'a.png' },
        { image: 'gone.png' },
        { audio: 'list.jsonl' },
        { image: 'https://pictures.test/a.png' },
        { image: 'gs://bucket/a.png', textTokens: 7 },
      ),
    });
    const { items, document, code } = await estimate(['--manifest', 'list.jsonl', '--strict'], {
      cwd,
    });
    expect(items).toMatchObject([
      ['good: 512x512', TILE, 1],
      ['line 7: 7 text tokens', 7, 1],
    ]);
    expect(document?.inputs.unreadable).toEqual([
      { path: 'list.jsonl:2', reason: expect.stringMatching(/^not JSON: /) },
      { path: 'list.jsonl:3', reason: expect.stringMatching(/^only imgae: no input in it/) },
      { path: 'gone.png', reason: 'no such file' },
      { path: 'list.jsonl', reason: 'a text, not a sound as given' },
      { path: 'https://pictures.test/a.png', reason: 'remote; allow it with `--allow-remote pictures.test`' }, // prettier-ignore
      { path: 'line 7: gs://bucket/a.png', reason: expect.stringMatching(/^gs addresses are not/) },
    ]);
    expect(code).toBe(7);
  });

  it('reads pictures of data URIs, with the detail of each', async () => {
    const url = `data:image/png;base64,${(await png(512, 512)).toString('base64')}`;
    const content = [
      { type: 'image_url', image_url: { url } },
      { type: 'image_url', image_url: { url, detail: 'low' } },
    ];
    const body = { model: 'gpt-4o', messages: [{ role: 'user', content }] };
    const request = { custom_id: 'r1', method: 'POST', url: '/v1/chat/completions', body };
    const cwd = folder({ 'batch.jsonl': lines(request) });
    const { items } = await estimate(['--manifest', 'batch.jsonl'], { cwd });
    expect(items).toEqual([
      ['r1: messages[0].content[0]', TILE, 1],
      ['r1: messages[0].content[1]', LOW, 1],
    ]);
  });

  it('reads JSONL from stdin', async () => {
    const stdin = () => Readable.from([Buffer.from(lines({ image: { width: 512, height: 512 } }))]);
    const { items } = await estimate(['--manifest', '-'], { stdin });
    expect(items).toEqual([['line 1: 512x512', TILE, 1]]);
  });

  it('takes several, and files beside them', async () => {
    const cwd = folder({
      'a.csv': 'width,height\n512,512\n',
      'b.jsonl': lines({ image: { width: 512, height: 512 } }),
      'c.png': await png(512, 512),
    });
    const argv = ['c.png', '--manifest', 'a.csv', '--manifest', 'b.jsonl', '--image', '512x512'];
    const { items } = await estimate(argv, { cwd });
    expect(items.map(([input]) => input)).toEqual([
      'c.png',
      'line 2: 512x512',
      'line 1: 512x512',
      '512x512',
    ]);
  });

  it('says whether two data URIs hold the same picture', async () => {
    const url = async (width: number) =>
      `data:image/png;base64,${(await png(width, 512)).toString('base64')}`;
    const [one, other] = [await url(512), await url(300)];
    const cwd = folder({
      'a.jsonl': lines({ image: one }, { image: other }, { image: one }, { image: 'a.png' }),
      'a.png': await png(512, 512),
    });
    const { document } = await estimate(['--manifest', 'a.jsonl', '--dedupe'], { cwd });
    expect(document?.dedupe).toMatchObject({ duplicates: 2 });
  });

  it.each([
    [['--manifest', 'gone.jsonl'], 5, '`--manifest gone.jsonl`: no such file'],
    [['--manifest', '.'], 2, '`--manifest .`: it is a folder'],
    [['--manifest', 'a.xml'], 2, '`--manifest a.xml`: not .jsonl, .ndjson, .csv, .tsv, .parquet'],
    [['--manifest', 'a.parquet.gz'], 2, 'Parquet is packed by itself'],
    [['--manifest', 'empty.jsonl'], 2, 'no inputs found to estimate'],
    [['--null', 'empty.jsonl'], 2, '`--null` is for a list on stdin (`-`)'],
    [['-', '--manifest', '-'], 2, '`-` more than once'],
    [['-', '--allow-remote', 'http://a/b'], 2, "`--allow-remote http://a/b`: not a host's name"],
  ])('%j: exit %i', async (argv, code, message) => {
    const cwd = folder({ 'empty.jsonl': '\n\n' });
    mkdirSync(join(cwd, 'folder'));
    const result = await estimate(argv, { cwd });
    expect(result.stderr).toContain(message);
    expect(result.code).toBe(code);
  });
});

describe('estimate - (a list on stdin)', () => {
  it('takes paths as find prints them', async () => {
    const cwd = folder({ 'a b.png': await png(512, 512), 'sub/c.png': await png(512, 512) });
    const stdin = () => Readable.from([Buffer.from('a b.png\r\nsub\n\ngone.png')]);
    const { items, document } = await estimate(['-'], { cwd, stdin });
    expect(items.map(([input]) => input)).toEqual(['a b.png', 'sub/c.png']);
    expect(document?.inputs.unreadable).toEqual([{ path: 'gone.png', reason: 'no such file' }]);
  });

  it('takes names with line breaks between NULs', async () => {
    const cwd = folder({ 'a\nb.png': await png(512, 512), 'c.png': await png(512, 512) });
    const stdin = () => Readable.from([Buffer.from('a\nb.png\0c.png\0')]);
    const { items } = await estimate(['-', '-0'], { cwd, stdin });
    expect(items.map(([input]) => input)).toEqual(['a\nb.png', 'c.png']);
  });

  it('does not wait for a person at a terminal', async () => {
    const { code, stderr } = await estimate(['-'], { stdinIsTty: true });
    expect(stderr).toContain('stdin is a terminal, nothing is piped');
    expect(stderr).toContain('| mmdeploy estimate - --model gpt-4o');
    expect(code).toBe(2);
  });
});

describe('estimate --allow-remote', () => {
  it('asks a host that is named for the first bytes of its pictures', async () => {
    const noise = Buffer.from(Array.from({ length: 512 * 512 * 3 }, (_, at) => (at * 7919) % 251));
    const raw = { width: 512, height: 512, channels: 3 } as const;
    const large = await sharp(noise, { raw }).png({ compressionLevel: 0 }).toBuffer();
    const small = await png(512, 512);
    const ranges: unknown[] = [];
    const server = createServer((request, response) => {
      ranges.push(`${request.url} ${request.headers.range}`);
      const content = request.url === '/small.png' ? small : large;
      const last = Number(/-(\d+)$/.exec(request.headers.range ?? '')?.[1]);
      if (request.url === '/gone.png') response.writeHead(404).end();
      else response.writeHead(206).end(content.subarray(0, last + 1));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    try {
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const names = ['small.png', 'large.png', 'gone.png'].map((name) => `${base}/${name}`);
      const stdin = () => Readable.from([Buffer.from(names.join('\n'))]);
      const { items, document } = await estimate(['-', '--allow-remote', '127.0.0.1'], { stdin });
      expect(items.map(([input, tokens]) => [input, tokens])).toEqual([
        [names[0], TILE],
        [names[1], TILE],
      ]);
      expect(document?.inputs.unreadable).toEqual([
        { path: names[2], reason: 'remote; the server answers 404' },
      ]);
      expect(ranges.sort()).toEqual(
        ['gone', 'large', 'small'].map((name) => `/${name}.png bytes=0-65535`),
      );
    } finally {
      server.close();
    }
  });
});
