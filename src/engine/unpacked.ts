import { chmod, lstat, readdir, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** Every file and link below `folder`, links not followed. */
export async function walk(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const nested = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? await walk(path) : [path];
    }),
  );
  return nested.flat().sort();
}

/** The llama-server below `folder`, made executable; null when the archive holds none. */
export async function findServer(
  folder: string,
  platform: NodeJS.Platform,
): Promise<string | null> {
  const program = platform === 'win32' ? 'llama-server.exe' : 'llama-server';
  const path = (await walk(folder)).find((file) => basename(file) === program);
  if (path === undefined) return null;
  if (platform !== 'win32') await chmod(path, 0o755);
  return path;
}

/** Moves every file below `from` into `into`, flat: the loader looks beside the program. */
export async function moveLibraries(from: string, into: string): Promise<void> {
  for (const path of await walk(from)) {
    const target = join(into, basename(path));
    const taken = await lstat(target).catch(() => null);
    if (taken === null) await rename(path, target);
  }
}
