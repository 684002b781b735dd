import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Another program of the installation that a llama-server belongs to: beside it as in release archives,
 * or under `libexec` as in packages. `names` are tried in order; null where none is there.
 */
export function engineProgram(
  llamaServer: string,
  names: readonly string[],
  platform: NodeJS.Platform,
): string | null {
  const suffix = platform === 'win32' ? '.exe' : '';
  for (const bin of new Set([dirname(llamaServer), dirname(realOf(llamaServer))])) {
    const libexec = join(bin, '..', 'libexec');
    const triplets = existsSync(libexec) ? readdirSync(libexec) : [];
    const folders = [
      bin,
      libexec,
      ...triplets.map((triplet) => join(libexec, triplet, 'llama', 'bin')),
    ];
    const found = folders
      .flatMap((folder) => names.map((name) => join(folder, `${name}${suffix}`)))
      .find((path) => existsSync(path));
    if (found !== undefined) return found;
  }
  return null;
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
