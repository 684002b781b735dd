import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { globBase, globDepth, globMatcher } from '../../../src/estimate/glob.ts';
import { reasonOf, walkPaths } from '../../../src/estimate/walk.ts';
import { imageFolder } from '../../helpers/images.ts';

const signal = new AbortController().signal;

function tree() {
  const { path } = imageFolder();
  const put = (name: string) => {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), 'x');
  };
  ['b.png', 'a.png', 'Z.png', 'sub/c.png', 'sub/deep/d.jpg', '.hidden/e.png', '.f.png'].forEach(
    put,
  );
  return path;
}
const walk = (cwd: string, ...paths: string[]) => {
  const found = [...walkPaths(paths, cwd, signal)];
  return {
    files: found.flatMap((each) => (each.kind === 'file' ? [each.path] : [])),
    unreadable: found.flatMap((each) =>
      each.kind === 'unreachable' ? [{ path: each.path, reason: each.reason }] : [],
    ),
    hidden: found.filter(({ kind }) => kind === 'hidden').length,
  };
};

describe('walkPaths', () => {
  it('walks folders to their depth, sorted the same everywhere, without hidden entries', () => {
    const result = walk(tree(), '.');
    expect(result.files).toEqual(['Z.png', 'a.png', 'b.png', 'sub/c.png', 'sub/deep/d.jpg']);
    expect(result).toMatchObject({ hidden: 2, unreadable: [] });
  });

  it('takes a hidden file that is named', () => {
    expect(walk(tree(), '.f.png').files).toEqual(['.f.png']);
  });

  it('follows a link to a folder once and gets out of a loop', () => {
    const cwd = tree();
    symlinkSync('.', join(cwd, 'sub', 'loop'));
    symlinkSync('..', join(cwd, 'sub', 'up'));
    const result = walk(cwd, 'sub');
    expect(result.files).toEqual([
      'sub/c.png',
      'sub/deep/d.jpg',
      'sub/up/Z.png',
      'sub/up/a.png',
      'sub/up/b.png',
    ]);
    expect(result.unreadable.map(({ path }) => path)).toEqual(['sub/loop', 'sub/up/sub']);
  });

  it('names links that lead nowhere, or to themselves', () => {
    const cwd = tree();
    symlinkSync('gone.png', join(cwd, 'dangling.png'));
    symlinkSync('self.png', join(cwd, 'self.png'));
    expect(walk(cwd, '.').unreadable).toEqual([
      { path: 'dangling.png', reason: 'no such file' },
      { path: 'self.png', reason: 'a loop of symbolic links' },
    ]);
  });

  it.runIf(process.platform !== 'win32')('does not open a device', () => {
    expect(walk(tree(), '/dev/zero').unreadable).toEqual([
      { path: '/dev/zero', reason: 'not a regular file' },
    ]);
  });

  it('expands a pattern that no shell expanded', () => {
    const cwd = tree();
    expect(walk(cwd, '*.png').files).toEqual(['Z.png', 'a.png', 'b.png']);
    expect(walk(cwd, '**/*.png').files).toEqual(['Z.png', 'a.png', 'b.png', 'sub/c.png']);
    expect(walk(cwd, 'sub/*/?.jpg').files).toEqual(['sub/deep/d.jpg']);
    expect(walk(cwd, '[ab].png').files).toEqual(['a.png', 'b.png']);
    expect(walk(cwd, join(cwd, '*.png')).files).toHaveLength(3);
  });

  it('takes a file whose very name looks like a pattern', () => {
    const cwd = tree();
    writeFileSync(join(cwd, 'scan[1].png'), 'x');
    expect(walk(cwd, 'scan[1].png').files).toEqual(['scan[1].png']);
  });

  it('says that a pattern or a path has no file', () => {
    expect(walk(tree(), '*.bmp', 'nothing.png').unreadable).toEqual([
      { path: '*.bmp', reason: 'no file matches the pattern' },
      { path: 'nothing.png', reason: 'no such file' },
    ]);
  });

  it('stops when interrupted', () => {
    expect(() => [...walkPaths(['.'], tree(), AbortSignal.abort())]).toThrow();
  });
});

describe('reasonOf', () => {
  it('puts what the system says into words', () => {
    const error = (code: string) => Object.assign(new Error(code), { code });
    expect(reasonOf(error('EACCES'))).toBe('no permission to read it');
    expect(reasonOf(error('ENOENT'))).toBe('no such file');
    expect(reasonOf(error('EIO'))).toBe('EIO');
  });
});

describe('patterns', () => {
  it.each([
    ['*.png', 'a.png', true],
    ['*.png', 'sub/a.png', false],
    ['./*.png', 'a.png', true],
    ['**/*.png', 'a.png', true],
    ['**/*.png', 'x/y/a.png', true],
    ['x/**', 'x/y/a.png', true],
    ['x/**/a.png', 'x/a.png', true],
    ['[!a]*.png', 'b1.png', true],
    ['[!a]*.png', 'a1.png', false],
    ['a+b(1).*', 'a+b(1).png', true],
    ['a?.png', 'a.png', false],
    ['a.png*', 'aXpng', false],
  ])('%s against %s: %s', (pattern, path, matches) => {
    expect(globMatcher(pattern)(path)).toBe(matches);
  });

  it('knows where to start and how deep to go', () => {
    expect(['*.png', 'a/b/*.png', '/x/*.png', '/*.png'].map(globBase)).toEqual([
      '.',
      'a/b',
      '/x',
      '/',
    ]);
    expect(['*.png', 'a/*/b*.png', '**/x'].map(globDepth)).toEqual([
      0,
      1,
      Number.POSITIVE_INFINITY,
    ]);
  });
});
