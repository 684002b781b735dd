import { randomBytes } from 'node:crypto';
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MmdeployError, fileFault } from '../errors.ts';
import { makeFolder } from '../process/make-folder.ts';

export type FileToWrite = {
  readonly path: string;
  readonly text: string;
  readonly executable?: boolean;
};

/** Files that are there and would become others, in order. Throws `system.refused` for one that cannot be read. */
export async function changedFiles(
  folder: string,
  files: readonly FileToWrite[],
): Promise<readonly string[]> {
  const changed = await Promise.all(
    files.map(async ({ path, text }) => {
      const there = await textThere(join(folder, path));
      return there !== null && there !== text ? [path] : [];
    }),
  );
  return changed.flat();
}

/** Text of a file, or null where there is none. */
export async function textThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw cannot('read', file, error);
  }
}

/**
 * Writes the files, the last one last: each is whole or not there, whatever ends us half-way, and none is
 * replaced before there is room for all. Throws `system.refused`, with what the system said.
 */
export async function writeFiles(folder: string, files: readonly FileToWrite[]): Promise<void> {
  const parts = files.map((file): Part => {
    const target = join(folder, file.path);
    const name = `.${randomBytes(6).toString('hex')}.part`;
    return { file, target, path: join(dirname(target), name) };
  });
  try {
    for (const part of parts) await told(part, writePart);
    for (const part of parts) await told(part, ({ path, target }) => rename(path, target));
  } catch (error) {
    await Promise.all(parts.map(({ path }) => rm(path, { force: true }).catch(() => undefined)));
    throw error;
  }
}

/** A file under another name, until all are there. */
type Part = { readonly file: FileToWrite; readonly target: string; readonly path: string };

async function writePart({ file: { text, executable }, target, path }: Part): Promise<void> {
  await makeFolder(dirname(target), FOLDER_MODE);
  await writeFile(path, text, { flag: 'wx' });
  if (executable === true) await chmod(path, 0o755);
}

/** Who runs what is in them is often not who wrote it. */
const FOLDER_MODE = 0o755;

async function told(part: Part, step: (part: Part) => Promise<void>): Promise<void> {
  try {
    await step(part);
  } catch (error) {
    throw cannot('write', part.target, error);
  }
}

function cannot(what: 'read' | 'write', file: string, error: unknown): MmdeployError {
  const noFolder = what === 'write' && (error as NodeJS.ErrnoException).code === 'ENOENT';
  const why = noFolder ? 'its folder cannot be made' : fileFault(error);
  return new MmdeployError('system.refused', `cannot ${what} \`${file}\`: ${why}`, {
    hints: ['name another folder: `mmdeploy plan MODEL --target NAMES --write DIR`'],
    cause: error,
  });
}
