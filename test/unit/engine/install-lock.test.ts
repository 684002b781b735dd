import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withLock } from '../../../src/engine/install-lock.ts';

let root = '';
let file = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'mmdeploy-lock-'));
  file = join(root, 'deep/.lock');
});
afterEach(() => rm(root, { recursive: true, force: true }));

function options(overrides: Partial<Parameters<typeof withLock>[1]> = {}) {
  return {
    signal: new AbortController().signal,
    now: () => new Date(),
    onWait: (holder: string) => {
      throw new Error(`waits for ${holder}`);
    },
    ...overrides,
  };
}

describe('withLock', () => {
  it('names its holder while it is held and is gone afterwards, also after a failure', async () => {
    const held = await withLock(file, options(), () => readFile(file, 'utf8'));
    expect(held).toContain(`${process.pid} ${hostname()} `);
    const failing = withLock(file, options(), () => Promise.reject(new Error('work failed')));
    await expect(failing).rejects.toThrow('work failed');
    expect(await readdir(join(root, 'deep'))).toEqual([]);
  });

  it('runs one at a time and tells the one that waits, once', async () => {
    const order: string[] = [];
    const waits: string[] = [];
    let release: () => void = () => undefined;
    const blocked = new Promise<void>((resolve) => (release = resolve));
    let started: () => void = () => undefined;
    const running = new Promise<void>((resolve) => (started = resolve));
    const first = withLock(file, options(), async () => {
      started();
      await blocked;
      order.push('first');
    });
    await running;
    const onWait = (holder: string) => {
      waits.push(holder);
      release();
    };
    await withLock(file, options({ onWait }), () => Promise.resolve(order.push('second')));
    await first;
    expect(order).toEqual(['first', 'second']);
    expect(waits).toEqual([String(process.pid)]);
  });

  it.each([
    ['a process of this machine that is gone', `999999999 ${hostname()}`, 0],
    ['one of another machine that went silent', '1 elsewhere', 61_000],
    ['nobody that can be read', 'garbage', 61_000],
  ])('takes over from %s', async (_, holder, ageMs) => {
    await withLock(file, options(), () => Promise.resolve());
    await writeFile(file, holder);
    const touched = new Date(Date.now() - ageMs);
    await utimes(file, touched, touched);
    expect(await withLock(file, options(), () => Promise.resolve('done'))).toBe('done');
  });

  it('lets one of many take over, and the others wait for it', async () => {
    await withLock(file, options(), () => Promise.resolve());
    await writeFile(file, `999999999 ${hostname()}`);
    let inside = 0;
    let most = 0;
    const work = async () => {
      inside += 1;
      most = Math.max(most, inside);
      await readdir(root);
      inside -= 1;
    };
    const all = Array.from({ length: 8 }, () =>
      withLock(file, options({ onWait: () => undefined }), work),
    );
    await Promise.all(all);
    expect(most).toBe(1);
    expect(await readdir(join(root, 'deep'))).toEqual([]);
  });

  it('does not take over from another machine that is still alive', async () => {
    await withLock(file, options(), () => Promise.resolve());
    await writeFile(file, '1 elsewhere');
    const abort = new AbortController();
    const waiting = withLock(
      file,
      options({ signal: abort.signal, onWait: () => abort.abort() }),
      () => Promise.resolve(),
    );
    await expect(waiting).rejects.toMatchObject({ code: 'interrupted' });
    expect(await readFile(file, 'utf8')).toBe('1 elsewhere');
  });
});
