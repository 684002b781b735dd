import type { Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { UnreadableInput } from '../contracts/estimate.ts';
import { globBase, globDepth, globMatcher, isGlob } from './glob.ts';

/** Regular files that paths, folders and patterns name, in order, and what of them could not be reached. */
export type WalkResult = {
  readonly files: readonly FoundFile[];
  readonly unreadable: readonly UnreadableInput[];
  /** Files and folders whose name starts with a dot, left out of folders as every tool does. */
  readonly hidden: number;
};

export type FoundFile = {
  /** As the user wrote it or would write it: relative when the argument was. */
  readonly path: string;
  readonly bytes: number;
};

type Walk = {
  readonly files: FoundFile[];
  readonly unreadable: UnreadableInput[];
  /** Real paths of the folders of one argument: a link back to one of them is not followed again. */
  readonly seen: Set<string>;
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly wants: (path: string) => boolean;
  /** Folders below the first that are entered. */
  readonly depth: number;
  hidden: number;
};

/**
 * Folders are walked to their depth and sorted by name, so that two machines report the same order.
 * A pattern is expanded here only where the shell did not (quoted, or on Windows) and no file has that
 * very name. Throws the signal's reason when aborted.
 */
export async function walkPaths(
  paths: readonly string[],
  cwd: string,
  signal: AbortSignal,
): Promise<WalkResult> {
  const files: FoundFile[] = [];
  const unreadable: UnreadableInput[] = [];
  let hidden = 0;
  for (const path of paths) {
    const seen = new Set<string>();
    const depth = Number.POSITIVE_INFINITY;
    const walk: Walk = { files, unreadable, seen, cwd, signal, wants: all, depth, hidden: 0 };
    hidden += await visitArgument(path, walk);
  }
  return { files, unreadable, hidden };
}

const all = (): boolean => true;

/** Returns how many hidden entries were left out. */
async function visitArgument(path: string, walk: Walk): Promise<number> {
  const facts = await statOf(path, walk);
  if (typeof facts !== 'string' || !isGlob(path)) {
    await visit(path, facts, walk, 0);
    return walk.hidden;
  }
  const before = walk.files.length + walk.unreadable.length;
  const matching = { ...walk, wants: globMatcher(path), depth: globDepth(path) };
  await visitFolder(globBase(path), matching, 0);
  if (walk.files.length + walk.unreadable.length === before) {
    walk.unreadable.push({ path, reason: NO_MATCH });
  }
  return matching.hidden;
}

async function visit(
  path: string,
  facts: Stats | string,
  walk: Walk,
  level: number,
): Promise<void> {
  if (typeof facts === 'string') walk.unreadable.push({ path, reason: facts });
  else if (facts.isDirectory()) await visitFolder(path, walk, level);
  else if (facts.isFile()) walk.files.push({ path, bytes: facts.size });
  // Opening a pipe or a device could wait for ever.
  else walk.unreadable.push({ path, reason: 'not a regular file' });
}

async function visitFolder(path: string, walk: Walk, level: number): Promise<void> {
  walk.signal.throwIfAborted();
  try {
    const real = await realpath(resolve(walk.cwd, path));
    if (walk.seen.has(real)) {
      walk.unreadable.push({ path, reason: 'a link to a folder that was already read' });
      return;
    }
    walk.seen.add(real);
    const names = (await readdir(resolve(walk.cwd, path))).sort(byCodePoint);
    for (const name of names) await visitEntry(join(path, name), name, walk, level);
  } catch (error) {
    walk.signal.throwIfAborted();
    walk.unreadable.push({ path, reason: reasonOf(error) });
  }
}

async function visitEntry(path: string, name: string, walk: Walk, level: number): Promise<void> {
  if (name.startsWith('.')) {
    walk.hidden += 1;
    return;
  }
  const facts = await statOf(path, walk);
  if (typeof facts !== 'string' && facts.isDirectory()) {
    if (level < walk.depth) await visitFolder(path, walk, level + 1);
  } else if (walk.wants(path)) await visit(path, facts, walk, level);
}

/** Not `localeCompare`: the order must not depend on the machine's language. */
function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function statOf(path: string, walk: Walk): Promise<Stats | string> {
  try {
    return await stat(resolve(walk.cwd, path));
  } catch (error) {
    return reasonOf(error);
  }
}

export const MISSING = 'no such file';
export const NO_MATCH = 'no file matches the pattern';

/** What went wrong with a file, in words. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return MISSING;
    case 'EACCES':
    case 'EPERM':
      return 'no permission to read it';
    case 'ELOOP':
      return 'a loop of symbolic links';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
