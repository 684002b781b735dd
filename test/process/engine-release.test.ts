import type { ServerResponse } from 'node:http';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ReleaseRecipe } from '../../src/engine/catalogue.ts';
import type { InstallContext } from '../../src/engine/install-context.ts';
import { installRelease } from '../../src/engine/install-release.ts';
import type { ReleaseInstall } from '../../src/engine/install-release.ts';
import { runCommand } from '../../src/process/run.ts';
import { installContext } from '../helpers/engine.ts';
import {
  begin,
  craftedArchive,
  fakeServer,
  loopback,
  releaseArchive,
  serveFile,
  sha256,
} from '../helpers/engine-archive.ts';
import type { Loopback, TarEntry } from '../helpers/engine-archive.ts';

const NAME = 'llama-b9000-bin-ubuntu-x64.tar.gz';
const TIMING = { idleMs: 2_000, retryMs: 1 };

let root = '';
let ctx: InstallContext;
let archive: Buffer;
let server: Loopback | null = null;
/** The connection that is to be cut as soon as something of it has reached the disk. */
let cutting: ServerResponse | null = null;

function cutOnProgress(response: ServerResponse): void {
  cutting = response;
  begin(archive, 100_000, response);
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'mmdeploy-release-'));
  cutting = null;
  const progress: InstallContext['progress'] = (state) => {
    if (state !== null && state.done > 0) cutting?.destroy();
  };
  ctx = installContext(root, { progress });
  archive = await releaseArchive(join(root, 'work'));
});
afterEach(async () => {
  await server?.close();
  server = null;
  await rm(root, { recursive: true, force: true });
});

function recipe(base: string, sums: Record<string, string> = {}): ReleaseRecipe {
  return {
    build: 9000,
    url: `${base}/download/{tag}/{file}`,
    digests: `${base}/digests/{tag}`,
    files: [
      {
        platform: process.platform,
        arch: 'x64',
        accelerator: 'cpu',
        file: 'llama-{tag}-bin-ubuntu-x64.tar.gz',
      },
      {
        ...{ platform: process.platform, arch: 'x64', accelerator: 'cuda', cuda: '12.8' },
        ...{ file: 'llama-{tag}-bin-cuda.tar.gz', companion: 'cudart-{tag}.tar.gz' },
      },
    ],
    sha256: sums,
  };
}

function ask(base: string, overrides: Partial<ReleaseInstall> = {}): ReleaseInstall {
  return {
    recipe: recipe(base, { [NAME]: sha256(archive) }),
    target: {
      platform: process.platform,
      arch: 'x64',
      accelerator: 'cpu',
      cudaVersion: null,
      computeCapability: null,
    },
    build: null,
    url: null,
    sha256: null,
    force: false,
    timing: TIMING,
    ...overrides,
  };
}

/** What an install left in the engines folder and among the downloads. */
async function left(): Promise<{ engines: string[]; downloads: string[] }> {
  const list = (folder: string) => readdir(folder).catch(() => []);
  return {
    engines: await list(join(ctx.folders.data, 'engines')),
    downloads: await list(join(ctx.folders.cache, 'downloads')),
  };
}

const NOTHING = { engines: [], downloads: [] };

describe('engine install release', () => {
  it('installs the archive whole, with its progress, and not a second time', async () => {
    server = await loopback(serveFile(archive));
    const seen: number[] = [];
    const progress: InstallContext['progress'] = (state) => {
      if (state !== null) seen.push(state.done / (state.total ?? Number.NaN));
    };
    const engine = await installRelease(ask(server.url), { ...ctx, progress });
    expect(server.requests).toEqual([{ path: `/download/b9000/${NAME}`, range: null }]);
    expect(engine).toMatchObject({
      id: 'release-b9000-cpu',
      release: 'b9000',
      server: 'llama-b9000/llama-server',
      sha256: sha256(archive),
    });
    const { stderr } = await runCommand(engine.path, ['--version'], { timeoutMs: 10_000 });
    expect(stderr).toContain('9000');
    expect(seen.at(-1)).toBe(1);
    expect(await left()).toEqual({ engines: ['release-b9000-cpu'], downloads: [] });
    await installRelease(ask(server.url), ctx);
    expect(server.requests).toHaveLength(1);
  });

  it('resumes after a cut where it ended', async () => {
    const serve = serveFile(archive);
    server = await loopback((request, response, count) => {
      if (count === 1) cutOnProgress(response);
      else serve(request, response);
    });
    await installRelease(ask(server.url), ctx);
    const ranges = server.requests.map(({ range }) => range);
    expect(ranges[0]).toBeNull();
    expect(Number(/^bytes=(\d+)-$/.exec(ranges[1] ?? '')?.[1])).toBeGreaterThan(0);
    expect(ranges).toHaveLength(2);
  });

  it('resumes in a later run, and begins again when the file has changed meanwhile', async () => {
    const abort = new AbortController();
    const progress: InstallContext['progress'] = (state) => {
      if (state !== null && state.done > 0) abort.abort();
    };
    server = await loopback((_, response) => {
      begin(archive, 50_000, response);
    });
    const first = installRelease(ask(server.url), { ...ctx, signal: abort.signal, progress });
    await expect(first).rejects.toMatchObject({ code: 'interrupted' });
    expect((await left()).engines).toEqual([]);
    const part = (await left()).downloads.find((name) => name.endsWith('.part')) ?? '';
    const kept = (await stat(join(ctx.folders.cache, 'downloads', part))).size;
    expect(kept).toBeGreaterThan(0);
    const { port } = new URL(server.url);
    await server.close();

    // Another validator: the server sends all of it, and the old beginning is dropped.
    const serve = serveFile(archive, '"v2"');
    server = await loopback((request, response) => serve(request, response));
    await rewriteValidator(port, new URL(server.url).port);
    await installRelease(ask(server.url), ctx);
    expect(server.requests).toEqual([{ path: `/download/b9000/${NAME}`, range: `bytes=${kept}-` }]);
    expect((await left()).downloads).toEqual([]);
  });

  it('begins again at a server without ranges', async () => {
    server = await loopback((_, response, count) => {
      if (count === 1) {
        cutOnProgress(response);
        return;
      }
      response.writeHead(200, { 'content-length': archive.length });
      response.end(archive);
    });
    await installRelease(ask(server.url), ctx);
    expect(server.requests).toHaveLength(2);
  });

  it('begins again when the server answers another range, or none', async () => {
    const serve = serveFile(archive);
    server = await loopback((request, response, count) => {
      if (count === 1 || count === 3) cutOnProgress(response);
      else if (count === 2) {
        response.writeHead(206, { 'content-range': 'bytes 5-9/10' }).end('56789');
      } else if (count === 4) response.writeHead(416).end();
      else serve(request, response);
    });
    await installRelease(ask(server.url), ctx);
    expect(server.requests.map(({ range }) => range === null)).toEqual([
      true,
      false,
      true,
      false,
      true,
    ]);
  });

  it('follows redirects, up to five', async () => {
    const serve = serveFile(archive);
    server = await loopback((request, response, count) => {
      if (count <= 5) response.writeHead(302, { location: `/hop${count}` }).end();
      else serve(request, response);
    });
    await installRelease(ask(server.url), ctx);
    await server.close();
    server = await loopback((_, response, count) => {
      response.writeHead(302, { location: `/hop${count}` }).end();
    });
    const endless = installRelease(ask(server.url, { force: true }), ctx);
    await expect(endless).rejects.toMatchObject({
      message: expect.stringMatching(/redirects more than 5 times/),
    });
    expect(await left()).toEqual({ engines: ['release-b9000-cpu'], downloads: [] });
  });

  it('lays the companion’s libraries beside the programs', async () => {
    const cudart = craftedArchive([
      { path: 'cudart-b9000/libcudart.so.12', body: 'cuda' },
      { path: 'cudart-b9000/LICENSE', body: 'other' },
    ]);
    server = await loopback((request, response) => {
      serveFile(request.url?.includes('cudart') === true ? cudart : archive)(request, response);
    });
    const sums = {
      'llama-b9000-bin-cuda.tar.gz': sha256(archive),
      'cudart-b9000.tar.gz': sha256(cudart),
    };
    const target = { ...ask('').target, accelerator: 'cuda', cudaVersion: '12.8' };
    const engine = await installRelease(
      ask(server.url, { recipe: recipe(server.url, sums), target }),
      ctx,
    );
    expect(engine.id).toBe('release-b9000-cuda-12.8');
    const folder = join(engine.folder, 'llama-b9000');
    expect(await readFile(join(folder, 'libcudart.so.12'), 'utf8')).toBe('cuda');
    expect(await readFile(join(folder, 'LICENSE'), 'utf8')).toBe('MIT');
    expect(await readdir(engine.folder)).not.toContain('.companion');
  });

  it('takes the sum of another build from the publisher’s list', async () => {
    const other = 'llama-b9001-bin-ubuntu-x64.tar.gz';
    const list = { assets: [{ name: other, digest: `sha256:${sha256(archive)}` }] };
    server = await loopback((request, response) => {
      if (request.url === '/digests/b9001') response.end(JSON.stringify(list));
      else if (request.url?.startsWith('/digests') === true) response.writeHead(404).end();
      else serveFile(archive)(request, response);
    });
    const engine = await installRelease(ask(server.url, { build: 9001 }), ctx);
    expect(engine.release).toBe('b9001');
    await expect(installRelease(ask(server.url, { build: 1 }), ctx)).rejects.toMatchObject({
      message: expect.stringMatching(/no release `b1`/),
    });
  });

  it('takes an archive from a file, on a machine without a network', async () => {
    const file = join(root, NAME);
    await writeFile(file, archive);
    const url = pathToFileURL(file).href;
    const offline = ask('http://127.0.0.1:9', { url, sha256: sha256(archive).toUpperCase() });
    const engine = await installRelease(offline, ctx);
    expect(engine).toMatchObject({ release: 'b9000', url });
    expect(await readdir(root)).toContain(NAME);
  });
});

/** The kept validator belongs to an address: moves it to another port of this machine. */
async function rewriteValidator(from: string, to: string): Promise<void> {
  const folder = join(ctx.folders.cache, 'downloads');
  const name = (await readdir(folder)).find((each) => each.endsWith('.part.json')) ?? '';
  const text = await readFile(join(folder, name), 'utf8');
  await writeFile(join(folder, name), text.replace(`:${from}/`, `:${to}/`));
}

describe('what does not get installed', () => {
  it('a file with the wrong checksum', async () => {
    server = await loopback(serveFile(Buffer.concat([archive, Buffer.from('x')])));
    await expect(installRelease(ask(server.url), ctx)).rejects.toMatchObject({
      code: 'engine.install',
      message: expect.stringMatching(/wrong SHA-256/),
      details: [`expected ${sha256(archive)}`, expect.stringMatching(/^received [0-9a-f]{64}$/)],
    });
    expect(await left()).toEqual(NOTHING);
  });

  it('a file that is not there', async () => {
    server = await loopback((_, response) => response.writeHead(404).end('Not Found'));
    await expect(installRelease(ask(server.url), ctx)).rejects.toMatchObject({
      code: 'engine.install',
      message: expect.stringMatching(/answers HTTP 404/),
      hints: [expect.stringContaining('--build N')],
    });
    expect(await left()).toEqual(NOTHING);
  });

  it('anything while the server cannot be reached: the error names Debian', async () => {
    server = await loopback(() => undefined);
    const { url } = server;
    await server.close();
    await expect(installRelease(ask(url), ctx)).rejects.toMatchObject({
      code: 'engine.download',
      message: expect.stringMatching(/ECONNREFUSED/),
      hints: expect.arrayContaining([expect.stringContaining('mmdeploy engine install debian')]),
    });
    expect(await left()).toEqual(NOTHING);
  });

  it('anything from a server that is busy for good', async () => {
    server = await loopback((_, response) => response.writeHead(503).end());
    await expect(installRelease(ask(server.url), ctx)).rejects.toMatchObject({
      code: 'engine.download',
      message: expect.stringMatching(/HTTP 503/),
    });
    expect(server.requests).toHaveLength(3);
  });

  it('anything from a server that falls silent', async () => {
    server = await loopback((_, response) => {
      response.writeHead(200, { 'content-length': archive.length });
      response.flushHeaders();
    });
    const quick = ask(server.url, { timing: { idleMs: 100, retryMs: 1 } });
    await expect(installRelease(quick, ctx)).rejects.toMatchObject({ code: 'engine.download' });
    expect((await left()).engines).toEqual([]);
  });

  it('an archive that ends early', async () => {
    const half = archive.subarray(0, archive.length / 2);
    server = await loopback(serveFile(half));
    const request = ask(server.url, { sha256: sha256(half) });
    await expect(installRelease(request, ctx)).rejects.toMatchObject({
      code: 'engine.install',
      message: expect.stringMatching(/cannot be unpacked: it is damaged/),
    });
    expect(await left()).toEqual(NOTHING);
  });

  it('an archive without a llama-server, one that is no archive, one whose server does not run', async () => {
    const cases: [Buffer, RegExp][] = [
      [craftedArchive([{ path: 'readme', body: 'x' }]), /holds no llama-server/],
      [Buffer.from('<html>Sign in</html>'), /cannot be unpacked/],
      [
        await releaseArchive(join(root, 'bad'), fakeServer(9000, 'echo broken >&2; exit 4')),
        /does not run here: .*exit code 4: broken/,
      ],
    ];
    for (const [body, message] of cases) {
      server = await loopback(serveFile(body));
      const request = ask(server.url, { sha256: sha256(body) });
      await expect(installRelease(request, ctx)).rejects.toMatchObject({
        code: 'engine.install',
        message: expect.stringMatching(message),
      });
      expect(await left()).toEqual(NOTHING);
      await server.close();
    }
  });

  const SERVER: TarEntry = { path: 'a/llama-server', body: fakeServer(9000) };
  it.each<[string, TarEntry[], RegExp]>([
    ['a path upwards', [SERVER, { path: '../evil', body: 'x' }], /outside its folder: \.\.\/evil/],
    ['a path upwards later', [SERVER, { path: 'a/../../evil', body: 'x' }], /outside its folder/],
    ['an absolute path', [SERVER, { path: '/tmp/evil', body: 'x' }], /outside its folder: \/tmp/],
    ['a drive', [SERVER, { path: 'C:\\evil', body: 'x' }], /outside its folder/],
    [
      'a link outwards',
      [SERVER, { path: 'a/out', type: 'SymbolicLink', linkpath: '../../..' }],
      /links outside its folder: a\/out/,
    ],
    [
      'an absolute link',
      [SERVER, { path: 'a/out', type: 'SymbolicLink', linkpath: '/etc' }],
      /links outside its folder/,
    ],
    [
      'a file through a link',
      [
        SERVER,
        { path: 'a/in', type: 'SymbolicLink', linkpath: '.' },
        { path: 'a/in/evil', body: 'x' },
      ],
      /through a link of its own: a\/in\/evil/,
    ],
    ['a hard link', [SERVER, { path: 'a/h', type: 'Link', linkpath: '/etc/passwd' }], /\(Link\)/],
    ['a device', [SERVER, { path: 'a/d', type: 'CharacterDevice' }], /\(CharacterDevice\)/],
    ['a pipe', [SERVER, { path: 'a/p', type: 'FIFO' }], /\(FIFO\)/],
  ])('an archive with %s', async (_, entries, message) => {
    const body = craftedArchive(entries);
    server = await loopback(serveFile(body));
    await expect(
      installRelease(ask(server.url, { sha256: sha256(body) }), ctx),
    ).rejects.toMatchObject({ code: 'engine.install', message: expect.stringMatching(message) });
    expect(await left()).toEqual(NOTHING);
    expect((await readdir(root)).sort()).toEqual(['cache', 'data', 'work']);
  });

  it('what `--url` names without a sum, or badly', async () => {
    const url = 'https://example.invalid/engine.tar.gz';
    await expect(installRelease(ask('', { url }), ctx)).rejects.toMatchObject({
      code: 'usage.invalid',
      message: expect.stringMatching(/needs `--sha256`/),
    });
    const short = installRelease(ask('', { url, sha256: 'abc' }), ctx);
    await expect(short).rejects.toMatchObject({ message: expect.stringMatching(/64 hex digits/) });
    const nonsense = installRelease(ask('', { url: 'here.tar.gz' }), ctx);
    await expect(nonsense).rejects.toMatchObject({ code: 'usage.invalid' });
  });
});
