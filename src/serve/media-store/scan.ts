import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isTenantFolder, parseFileName, parseLinkName, type LinkFacts } from './names.ts';
import { rawLink, type RawLink } from './raw-links.ts';
import { idOf, type Entry } from './shelf.ts';
import { removeFile, TEMPORARY } from './shelf-files.ts';

/** A file being written is not old. */
const LEFT_BEHIND_MS = 3_600_000;
/** Files looked at together: enough to hide a disk's latency, and not to hold up other reads. */
const TOGETHER = 64;

/**
 * What earlier processes kept in `root`, oldest use first. Names and sizes only: that a file is sound is
 * found out when it is first used. Only plain files whose names are ours count. Never rejects: what
 * cannot be listed is not there.
 */
export async function scanFiles(root: string, now: number): Promise<Entry[]> {
  const found = new Map<string, Entry>();
  for (const folder of await tenantFolders(root)) {
    const names = (await list(join(root, folder))).filter((each) => each.isFile());
    for (let start = 0; start < names.length; start += TOGETHER) {
      const entries = await Promise.all(
        names.slice(start, start + TOGETHER).map(({ name }) => entryOf(root, folder, name, now)),
      );
      for (const entry of entries) {
        if (entry !== null) await keepNewest(found, root, entry);
      }
    }
  }
  return [...found.values()].sort((one, other) => one.usedAt - other.usedAt);
}

/** The links whose contents all exist; the others are removed. */
export async function scanLinks(
  root: string,
  exists: (id: string) => boolean,
): Promise<readonly RawLink[]> {
  const links: RawLink[] = [];
  for (const folder of await tenantFolders(root)) {
    const parts = new Map<string, LinkFacts[]>();
    for (const { name } of await list(join(root, folder))) {
      const facts = parseLinkName(name);
      if (facts === null) continue;
      if (exists(idOf(folder, facts.key))) append(parts, facts.rawKey, facts);
      else await removeFile(join(root, folder, name)).catch(() => undefined);
    }
    for (const [rawKey, facts] of parts) {
      const keys = inOrder(facts);
      if (keys !== null) links.push(rawLink(idOf(folder, rawKey), folder, rawKey, keys));
    }
  }
  return links;
}

async function tenantFolders(root: string): Promise<string[]> {
  const entries = await list(root);
  return entries
    .filter((each) => each.isDirectory() && isTenantFolder(each.name))
    .map(({ name }) => name);
}

async function list(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch(() => []);
}

async function entryOf(
  root: string,
  folder: string,
  name: string,
  now: number,
): Promise<Entry | null> {
  const path = join(root, folder, name);
  const stat = await lstat(path).catch(() => null);
  if (stat?.isFile() !== true) return null;
  if (name.startsWith(TEMPORARY) && now - stat.mtimeMs > LEFT_BEHIND_MS) {
    await removeFile(path).catch(() => undefined);
  }
  const facts = parseFileName(name);
  if (facts === null) return null;
  const rest = { folder, name, bytes: stat.size, pins: 0, seenAt: null, usedAt: stat.mtimeMs };
  return { id: idOf(folder, facts.key), ...facts, ...rest };
}

/** Two processes may have written one content with other bytes. */
async function keepNewest(found: Map<string, Entry>, root: string, entry: Entry): Promise<void> {
  const other = found.get(entry.id);
  const older = other !== undefined && other.usedAt > entry.usedAt ? entry : other;
  if (older !== entry) found.set(entry.id, entry);
  if (older !== undefined) {
    await removeFile(join(root, older.folder, older.name)).catch(() => undefined);
  }
}

function append(parts: Map<string, LinkFacts[]>, rawKey: string, facts: LinkFacts): void {
  const known = parts.get(rawKey);
  if (known === undefined) parts.set(rawKey, [facts]);
  else known.push(facts);
}

/** Null unless there is exactly one content for each place. */
function inOrder(facts: readonly LinkFacts[]): string[] | null {
  const keys = new Array<string>(facts.length);
  for (const { index, count, key } of facts) {
    if (count !== facts.length || index >= count || keys[index] !== undefined) return null;
    keys[index] = key;
  }
  return keys;
}
