import { access, constants } from 'node:fs/promises';
import { posix, win32 } from 'node:path';

export type LocateOptions = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  /** Where to look after PATH. */
  readonly folders: readonly string[];
};

/**
 * Full path of a program, or null. Looking first spares the spawn, and finds the tools that a driver
 * puts outside PATH. Relative entries of PATH are skipped: they would follow the working folder.
 */
export async function findProgram(name: string, options: LocateOptions): Promise<string | null> {
  const paths = options.platform === 'win32' ? win32 : posix;
  const file = options.platform === 'win32' && !name.includes('.') ? `${name}.exe` : name;
  const onPath = (options.env['PATH'] ?? options.env['Path'] ?? '').split(paths.delimiter);
  for (const folder of [
    ...onPath.filter((folder) => paths.isAbsolute(folder)),
    ...options.folders,
  ]) {
    const path = paths.join(folder, file);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return null;
}
