import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MmdeployError, fileFault } from '../errors.ts';

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
 * Writes the files, the last one last: each is whole or not there, whatever ends us half-way. Throws
 * `system.refused`, with what the system said.
 */
export async function writeFiles(folder: string, files: readonly FileToWrite[]): Promise<void> {
  for (const file of files) await writeOne(join(folder, file.path), file);
}

async function writeOne(target: string, { text, executable }: FileToWrite): Promise<void> {
  const part = join(dirname(target), `.${randomBytes(6).toString('hex')}.part`);
  try {
    await mkdir(dirname(target), { recursive: true });
    await writeFile(part, text, { flag: 'wx' });
    if (executable === true) await chmod(part, 0o755);
    await rename(part, target);
  } catch (error) {
    await rm(part, { force: true }).catch(() => undefined);
    throw cannot('write', target, error);
  }
}

function cannot(what: 'read' | 'write', file: string, error: unknown): MmdeployError {
  return new MmdeployError('system.refused', `cannot ${what} \`${file}\`: ${fileFault(error)}`, {
    hints: ['name another folder: `mmdeploy plan MODEL --target NAMES --write DIR`'],
    cause: error,
  });
}
