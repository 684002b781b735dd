import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore, picture, sha256, type TestStore } from '../../../helpers/media-store.ts';
import { temporaryFolder } from '../../../helpers/serve-supervisor.ts';

/** What the engine would read. */
function fileOf(store: TestStore, url: string): string {
  expect(url).toMatch(/^file:\/\/[0-9a-z./-]+$/);
  return join(store.mediaPath ?? '', url.slice('file://'.length));
}

function filesBelow(folder: string): string[] {
  const all = readdirSync(folder, { recursive: true, withFileTypes: true });
  return all.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
}

async function keep(store: TestStore, tenant: string, raw: string, text: string) {
  const media = await store.of(tenant).put(picture(text));
  await store.of(tenant).link(sha256(raw), [media.key]);
  return media;
}

const lookup = (store: TestStore, tenant: string, raw: string) =>
  store.of(tenant).lookup(sha256(raw));

describe('media store', () => {
  it('finds again what was kept, by any raw key that led to it', async () => {
    const store = await openStore();
    const one = await keep(store, 't', 'as png', 'pixels');
    await store.of('t').link(sha256('as webp'), [one.key]);
    for (const raw of ['as png', 'as webp']) {
      const [media] = (await lookup(store, 't', raw)) ?? [];
      expect(media).toMatchObject({ key: one.key, url: one.url, bytes: 6, meta: { width: 8 } });
      expect(readFileSync(fileOf(store, media!.url), 'utf8')).toBe('pixels');
    }
    expect(await lookup(store, 't', 'other')).toBeNull();
  });

  it('gives all pages of a document in order, or none', async () => {
    const store = await openStore({ maxBytes: 10 });
    const pages = await Promise.all(['1111', '2222'].map((text) => keep(store, 't', text, text)));
    await store.of('t').link(
      sha256('pdf'),
      pages.map(({ key }) => key),
    );
    for (const page of pages) page.release();
    const found = await lookup(store, 't', 'pdf');
    expect(found?.map(({ url }) => url)).toEqual(pages.map(({ url }) => url));
    for (const page of found ?? []) page.release();
    (await keep(store, 't', 'x', '33333')).release();
    expect(await lookup(store, 't', 'pdf')).toBeNull();
  });

  it('keeps tenants apart even where their keys are the same', async () => {
    const store = await openStore();
    const one = await store.of('one').put(picture('a', undefined, 'same'));
    await store.of('one').link(sha256('raw'), [one.key]);
    expect(await lookup(store, 'two', 'raw')).toBeNull();
    const two = await store.of('two').put(picture('b', undefined, 'same'));
    expect(two.url).not.toBe(one.url);
    expect(readFileSync(fileOf(store, two.url), 'utf8')).toBe('b');
    expect(readFileSync(fileOf(store, one.url), 'utf8')).toBe('a');
  });

  it('never answers a key with another shape than was asked about', async () => {
    const store = await openStore();
    const wide = picture('same bytes', { width: 200, height: 150 }, 'same key');
    const tall = picture('same bytes', { width: 150, height: 200 }, 'same key');
    await store.of('t').put(wide);
    const media = await store.of('t').put(tall);
    expect(media.meta).toMatchObject({ width: 150, height: 200 });
    expect(media.url).toBe(`data:image/png;base64,${Buffer.from('same bytes').toString('base64')}`);
    expect(store.troubles).toEqual(['media_key_conflict']);
  });

  it('writes files that only this user can read, and none half-way', async () => {
    const store = await openStore();
    await keep(store, 't', 'raw', 'pixels');
    const files = filesBelow(join(store.cacheDir, 'media'));
    expect(files.filter((file) => file.includes('.tmp-'))).toEqual([]);
    expect(files.map((file) => statSync(file).mode & 0o777)).toEqual(files.map(() => 0o600));
    const folders = [join(store.cacheDir, 'media'), store.mediaPath ?? ''];
    for (const folder of folders) expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  it('writes a content once for many that put it at the same time', async () => {
    const store = await openStore();
    const all = await Promise.all(
      Array.from({ length: 20 }, () => store.of('t').put(picture('pixels'))),
    );
    expect(new Set(all.map(({ url }) => url)).size).toBe(1);
    expect(store.stats()).toMatchObject({ entries: 1, bytes: 6, written: { disk: 1 } });
  });
});

describe('media store, eviction', () => {
  it('gives up the least recently used beyond its bytes, files and all', async () => {
    const store = await openStore({ maxBytes: 10 });
    for (const text of ['aaaa', 'bbbb']) (await keep(store, 't', text, text)).release();
    for (const media of (await lookup(store, 't', 'aaaa')) ?? []) media.release();
    const third = await keep(store, 't', 'cccc', 'cccc');
    expect(await lookup(store, 't', 'bbbb')).toBeNull();
    expect(await lookup(store, 't', 'aaaa')).not.toBeNull();
    expect(existsSync(fileOf(store, third.url))).toBe(true);
    expect(store.stats()).toMatchObject({ evicted: 1, entries: 2, bytes: 8 });
    await expect.poll(() => filesBelow(store.mediaPath ?? '').length).toBe(2);
    await expect.poll(() => filesBelow(join(store.cacheDir, 'media', 'files')).length).toBe(2);
  });

  it('never takes a file from under a request', async () => {
    const store = await openStore({ maxBytes: 0 });
    const used = await keep(store, 't', 'a', 'aaaa');
    const other = await keep(store, 't', 'b', 'bbbb');
    other.release();
    other.release();
    await expect.poll(() => existsSync(fileOf(store, other.url))).toBe(false);
    expect(existsSync(fileOf(store, used.url))).toBe(true);
    const [again] = (await lookup(store, 't', 'a')) ?? [];
    used.release();
    expect(existsSync(fileOf(store, used.url))).toBe(true);
    again?.release();
    await expect.poll(() => existsSync(fileOf(store, used.url))).toBe(false);
    expect(store.stats()).toMatchObject({ entries: 0, bytes: 0 });
  });

  it('can keep again at once what it just gave up', async () => {
    const store = await openStore({ maxBytes: 0 });
    for (let round = 0; round < 50; round++) {
      const media = await store.of('t').put(picture('pixels'));
      expect(readFileSync(fileOf(store, media.url), 'utf8')).toBe('pixels');
      media.release();
    }
  });
});

describe('media store, after a restart', () => {
  it('finds what was kept, oldest use given up first', async () => {
    const first = await openStore();
    for (const text of ['aaaa', 'bbbb', 'cccc']) await keep(first, 't', text, text);
    await first.close();
    const [a, b, c] = ['aaaa', 'bbbb', 'cccc'].map((text) => sha256(text));
    const age: Record<string, number> = { [a!]: 2000, [b!]: 1000, [c!]: 3000 };
    for (const file of filesBelow(join(first.cacheDir, 'media', 'files'))) {
      const seconds = age[/([0-9a-f]{64})-/.exec(file)?.[1] ?? ''] ?? 0;
      await utimes(file, seconds, seconds);
    }
    const second = await openStore({ cacheDir: first.cacheDir, maxBytes: 8 });
    await second.ready;
    expect(await lookup(second, 't', 'bbbb')).toBeNull();
    const [media] = (await lookup(second, 't', 'aaaa')) ?? [];
    expect(readFileSync(fileOf(second, media!.url), 'utf8')).toBe('aaaa');
    expect(await lookup(second, 'u', 'aaaa')).toBeNull();
  });

  it('takes a damaged file for a miss, and removes it', async () => {
    const first = await openStore();
    const media = await keep(first, 't', 'raw', 'pixels');
    await first.close();
    const [file = ''] = filesBelow(join(first.cacheDir, 'media', 'files'));
    writeFileSync(file, 'pixelz');
    const second = await openStore({ cacheDir: first.cacheDir });
    await second.ready;
    expect(second.stats().entries).toBe(1);
    expect(await lookup(second, 't', 'raw')).toBeNull();
    expect(existsSync(file)).toBe(false);
    expect(second.troubles).toEqual(['media_damaged']);
    const again = await keep(second, 't', 'raw', 'pixels');
    expect(again.url).toBe(media.url);
    expect(readFileSync(fileOf(second, again.url), 'utf8')).toBe('pixels');
  });

  it('follows no symlink that was put among its files', async () => {
    const first = await openStore();
    await keep(first, 't', 'raw', 'secret');
    await first.close();
    const secret = join(temporaryFolder(), 'secret');
    await writeFile(secret, 'secret');
    const [file = ''] = filesBelow(join(first.cacheDir, 'media', 'files'));
    await rm(file);
    await symlink(secret, file);
    const second = await openStore({ cacheDir: first.cacheDir });
    await second.ready;
    expect(second.stats().entries).toBe(0);
    expect(await lookup(second, 't', 'raw')).toBeNull();
  });

  it('takes a symlink that came later for damage', async () => {
    const first = await openStore();
    await keep(first, 't', 'raw', 'secret');
    await first.close();
    const second = await openStore({ cacheDir: first.cacheDir });
    await second.ready;
    const secret = join(temporaryFolder(), 'secret');
    await writeFile(secret, 'secret');
    const [file = ''] = filesBelow(join(first.cacheDir, 'media', 'files'));
    await rm(file);
    await symlink(secret, file);
    expect(await lookup(second, 't', 'raw')).toBeNull();
    expect(second.stats().lost).toBe(1);
  });
});

describe('media store, when the folder fails', () => {
  it('notices that its files were cleaned away, and keeps them anew', async () => {
    const store = await openStore();
    await keep(store, 't', 'raw', 'pixels');
    await rm(join(store.cacheDir, 'media'), { recursive: true });
    store.wait(10_000);
    expect(await lookup(store, 't', 'raw')).toBeNull();
    const media = await keep(store, 't', 'raw', 'pixels');
    expect(readFileSync(fileOf(store, media.url), 'utf8')).toBe('pixels');
  });

  it('keeps files in memory while the disk takes none, and goes back to it', async () => {
    const store = await openStore();
    const files = join(store.cacheDir, 'media', 'files');
    await writeFile(files, 'no folder');
    const media = await keep(store, 't', 'raw', 'pixels');
    expect(media.url).toMatch(/^file:\/\/memory\//);
    expect(readFileSync(fileOf(store, media.url), 'utf8')).toBe('pixels');
    expect((await lookup(store, 't', 'raw'))?.[0]?.url).toBe(media.url);
    expect(store.stats().written).toEqual({ disk: 0, memory: 1, inline: 0 });
    await keep(store, 't', 'other', 'others');
    expect(store.troubles).toEqual(['media_disk_write']);
    await rm(files);
    store.wait(11_000);
    expect((await keep(store, 't', 'third', 'thirds')).url).not.toMatch(/memory/);
  });

  it('hands media over inline when nothing can be written anywhere', async () => {
    const blocked = join(temporaryFolder(), 'file');
    await writeFile(blocked, 'no folder');
    const store = await openStore({ cacheDir: blocked, memoryFolders: [join(blocked, 'x')] });
    await store.ready;
    expect(store.mediaPath).toBeNull();
    const media = await keep(store, 't', 'raw', 'pixels');
    expect(media.url).toBe('data:image/png;base64,cGl4ZWxz');
    expect(await lookup(store, 't', 'raw')).toBeNull();
    expect(store.stats().written.inline).toBe(1);
    expect(store.troubles).toEqual(['media_disk_open']);
  });

  it('uses memory alone where the cache folder cannot be made', async () => {
    const blocked = join(temporaryFolder(), 'file');
    await writeFile(blocked, 'no folder');
    const store = await openStore({ cacheDir: blocked });
    const media = await keep(store, 't', 'raw', 'pixels');
    expect(store.mediaPath?.startsWith(store.memoryDir)).toBe(true);
    expect(readFileSync(fileOf(store, media.url), 'utf8')).toBe('pixels');
  });
});

describe.skipIf(process.platform === 'win32')('media store, who else may write there', () => {
  it('refuses a folder that other users can write to', async () => {
    const cacheDir = temporaryFolder();
    await chmod(cacheDir, 0o777);
    await expect(openStore({ cacheDir })).rejects.toMatchObject({ code: 'input.invalid' });
    await chmod(cacheDir, 0o1777);
    await openStore({ cacheDir });
    await chmod(join(cacheDir, 'media'), 0o770);
    await expect(openStore({ cacheDir })).rejects.toMatchObject({ code: 'input.invalid' });
  });

  it('refuses a symlink in the place of its folder, and follows one to the cache folder', async () => {
    const real = temporaryFolder();
    const base = temporaryFolder();
    await mkdir(join(real, 'media'), { mode: 0o700 });
    await symlink(join(real, 'media'), join(base, 'media'));
    await expect(openStore({ cacheDir: base })).rejects.toMatchObject({ code: 'input.invalid' });
    const link = join(temporaryFolder(), 'cache');
    await symlink(real, link);
    expect((await openStore({ cacheDir: link })).mediaPath?.startsWith(real)).toBe(true);
  });

  it('closes a folder that others could read', async () => {
    const cacheDir = temporaryFolder();
    await mkdir(join(cacheDir, 'media'), { mode: 0o755 });
    await openStore({ cacheDir });
    expect(statSync(join(cacheDir, 'media')).mode & 0o777).toBe(0o700);
  });
});

describe('media store, several processes on one folder', () => {
  it('shares what is kept, and one that evicts takes nothing from the other', async () => {
    const one = await openStore();
    (await keep(one, 't', 'raw', 'pixels')).release();
    const two = await openStore({ cacheDir: one.cacheDir, maxBytes: 6 });
    await two.ready;
    const [media] = (await lookup(two, 't', 'raw')) ?? [];
    media?.release();
    (await keep(two, 't', 'other', 'others')).release();
    await expect.poll(() => existsSync(fileOf(two, media!.url))).toBe(false);
    const [still] = (await lookup(one, 't', 'raw')) ?? [];
    expect(readFileSync(fileOf(one, still!.url), 'utf8')).toBe('pixels');
  });

  it('removes the folders of processes that are gone, and no others', async () => {
    const one = await openStore();
    const run = join(one.cacheDir, 'media', 'run');
    const dead = join(run, 'dead');
    await mkdir(dead);
    await writeFile(join(dead, 'left.png'), 'x');
    const [owner = ''] = readdirSync(run).filter((name) => name.endsWith('.json'));
    const identity = JSON.parse(readFileSync(join(run, owner), 'utf8'));
    const write = (name: string, facts: object) =>
      writeFile(join(run, `${name}.json`), JSON.stringify({ ...identity, ...facts }));
    await write('dead', { startedAt: '1' });
    await mkdir(join(run, 'elsewhere'));
    await write('elsewhere', { host: 'another machine', pid: 1 });
    await mkdir(join(run, 'silent'));
    await write('silent', { host: 'another machine', pid: 1 });
    await utimes(join(run, 'silent.json'), 1, 1);
    await openStore({ cacheDir: one.cacheDir });
    expect(existsSync(one.mediaPath ?? '')).toBe(true);
    expect(existsSync(join(run, 'elsewhere'))).toBe(true);
    expect(['dead', 'silent'].filter((name) => existsSync(join(run, name)))).toEqual([]);
  });

  it('leaves nothing of its own when it is closed', async () => {
    const store = await openStore();
    await keep(store, 't', 'raw', 'pixels');
    await store.close();
    expect(readdirSync(join(store.cacheDir, 'media', 'run'))).toEqual([]);
    expect(filesBelow(store.memoryDir)).toEqual([]);
    expect(filesBelow(join(store.cacheDir, 'media', 'files'))).toHaveLength(1);
  });
});
