import type { Stats } from 'node:fs';
import { readdirSync, realpathSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { UnreadableInput } from '../contracts/estimate.ts';
import { globBase, globDepth, globMatcher, isGlob } from './glob.ts';

/** What paths, folders and patterns name, in order. */
export type Found =
  | { readonly kind: 'file'; readonly path: string }
  | ({ readonly kind: 'unreachable' } & UnreadableInput)
  /** Starts with a dot: left out of folders as every tool does. */
  | { readonly kind: 'hidden' };

type Walk = {
  readonly cwd: string;
  readonly signal: AbortSignal;
  /** Real paths of the folders of one argument: a link back to one of them is not followed again. */
  readonly seen: Set<string>;
  readonly wants: (path: string) => boolean;
  /** Folders below the first that are entered. */
  readonly depth: number;
};

/**
 * Folders are walked to their depth and sorted by name, so that two machines report the same order. A
 * pattern is expanded here only where the shell did not (quoted, or on Windows) and no file has that very
 * name. Holds the names of the folders it is in, no more. Throws the signal's reason when aborted.
 */
export function* walkPaths(
  paths: readonly string[],
  cwd: string,
  signal: AbortSignal,
): Generator<Found> {
  for (const path of paths) {
    const facts = statOf(path, cwd);
    const depth = Number.POSITIVE_INFINITY;
    const walk: Walk = { cwd, signal, seen: new Set(), wants: () => true, depth };
    if (typeof facts !== 'string' || !isGlob(path)) yield* visit(path, facts, walk, 0);
    else yield* visitPattern(path, walk);
  }
}

function* visitPattern(path: string, walk: Walk): Generator<Found> {
  let matched = false;
  const matching = { ...walk, wants: globMatcher(path), depth: globDepth(path) };
  for (const found of visitFolder(globBase(path), matching, 0)) {
    if (found.kind !== 'hidden') matched = true;
    yield found;
  }
  if (!matched) yield unreachable(path, NO_MATCH);
}

function* visit(path: string, facts: Stats | string, walk: Walk, level: number): Generator<Found> {
  if (typeof facts === 'string') yield unreachable(path, facts);
  else if (facts.isDirectory()) yield* visitFolder(path, walk, level);
  else if (facts.isFile()) yield { kind: 'file', path };
  // Opening a pipe or a device could wait for ever.
  else yield unreachable(path, NO_FILE);
}

function* visitFolder(path: string, walk: Walk, level: number): Generator<Found> {
  walk.signal.throwIfAborted();
  const folder = resolve(walk.cwd, path);
  let entries;
  try {
    const real = realpathSync(folder);
    if (walk.seen.has(real)) {
      yield unreachable(path, 'a link to a folder that was already read');
      return;
    }
    walk.seen.add(real);
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    yield unreachable(path, reasonOf(error));
    return;
  }
  entries.sort((one, other) => byCodePoint(one.name, other.name));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) yield { kind: 'hidden' };
    else yield* visitEntry(join(path, entry.name), entry.isFile(), walk, level);
  }
}

/** A folder says of its entries what they are, so that only links have to be asked. */
function* visitEntry(path: string, isFile: boolean, walk: Walk, level: number): Generator<Found> {
  if (isFile) {
    if (walk.wants(path)) yield { kind: 'file', path };
    return;
  }
  const facts = statOf(path, walk.cwd);
  if (typeof facts !== 'string' && facts.isDirectory()) {
    if (level < walk.depth) yield* visitFolder(path, walk, level + 1);
  } else if (walk.wants(path)) yield* visit(path, facts, walk, level);
}

function unreachable(path: string, reason: string): Found {
  return { kind: 'unreachable', path, reason };
}

/** Not `localeCompare`: the order must not depend on the machine's language. */
function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function statOf(path: string, cwd: string): Stats | string {
  try {
    return statSync(resolve(cwd, path));
  } catch (error) {
    return reasonOf(error);
  }
}

export const MISSING = 'no such file';
export const NO_FILE = 'not a regular file';
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
    case 'ESPIPE':
    case 'EISDIR':
    case 'EAGAIN':
      return NO_FILE;
    case 'ELOOP':
      return 'a loop of symbolic links';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
