import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

const NAMES = ['ggml-rpc-server', 'rpc-server'];

/**
 * The `ggml-rpc-server` that came with a llama-server: beside it as in release archives, or under
 * `libexec` as in packages. Null where the installation has none.
 */
export function rpcServerOf(llamaServer: string): string | null {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  for (const bin of new Set([dirname(llamaServer), dirname(realOf(llamaServer))])) {
    const libexec = join(bin, '..', 'libexec');
    const triplets = existsSync(libexec) ? readdirSync(libexec) : [];
    const folders = [
      bin,
      libexec,
      ...triplets.map((triplet) => join(libexec, triplet, 'llama', 'bin')),
    ];
    const found = folders
      .flatMap((folder) => NAMES.map((name) => join(folder, `${name}${suffix}`)))
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
