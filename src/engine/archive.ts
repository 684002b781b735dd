import { mkdir } from 'node:fs/promises';
import { posix } from 'node:path';
import { extract, list } from 'tar';
import type { ReadEntry } from 'tar';
import { messageOf } from '../errors.ts';
import { escapes, MAX_ENTRIES, refused } from './archive-rules.ts';
import { unpackZip } from './archive-zip.ts';
import type { InstallContext } from './install-context.ts';

/** A llama.cpp release unpacks to under 2 GiB; more is not one. */
const MAX_UNPACKED_BYTES = 8 * 1024 ** 3;

/**
 * Unpacks a `.tar.gz` or `.zip` into the empty folder `into`. An archive that names a path or a link
 * outside the folder is refused before anything is written. Throws `engine.install` naming the entry,
 * and `tool.missing` where a zip needs a program that is not there.
 */
export async function unpackArchive(
  file: string,
  into: string,
  ctx: InstallContext,
): Promise<void> {
  await mkdir(into, { recursive: true });
  if (/\.zip$/i.test(file)) await unpackZip(file, into, ctx);
  else await unpackTar(file, into);
}

async function unpackTar(file: string, into: string): Promise<void> {
  const faults: string[] = [];
  const links = new Set<string>();
  let bytes = 0;
  let entries = 0;
  const inspect = (entry: ReadEntry) => {
    bytes += entry.size;
    entries += 1;
    const fault = faultOfEntry(entry, links);
    if (fault !== null) faults.push(fault);
  };
  try {
    await list({ file, strict: true, onReadEntry: inspect });
  } catch (error) {
    throw refused(file, `it is damaged: ${messageOf(error)}`);
  }
  if (bytes > MAX_UNPACKED_BYTES || entries > MAX_ENTRIES) faults.push('it unpacks to too much');
  if (entries === 0) faults.push('it is empty, or not a tar archive');
  if (faults[0] !== undefined) throw refused(file, faults[0]);
  await extract({ file, cwd: into, strict: true, preserveOwner: false, noMtime: true });
}

function faultOfEntry(entry: ReadEntry, links: Set<string>): string | null {
  const path = posix.normalize(entry.path);
  if (escapes(entry.path)) return `it names a path outside its folder: ${entry.path}`;
  if (throughLink(path, links)) return `it writes through a link of its own: ${entry.path}`;
  switch (entry.type) {
    case 'File':
    case 'OldFile':
    case 'ContiguousFile':
    case 'Directory':
    case 'GNUDumpDir':
      return null;
    case 'SymbolicLink': {
      links.add(path.replace(/\/$/, ''));
      const target = entry.linkpath ?? '';
      const lands = posix.join(posix.dirname(path), target);
      return target.startsWith('/') || escapes(lands)
        ? `it links outside its folder: ${entry.path} -> ${target}`
        : null;
    }
    default:
      return `it holds an entry that is neither file, folder nor link: ${entry.path} (${entry.type})`;
  }
}

function throughLink(path: string, links: ReadonlySet<string>): boolean {
  for (let folder = posix.dirname(path); folder !== '.'; folder = posix.dirname(folder)) {
    if (links.has(folder)) return true;
  }
  return links.has(path.replace(/\/$/, ''));
}
