import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `sun_path` holds 108 bytes on Linux and 104 on macOS; llama-server refuses somewhat earlier. */
const MAX_SOCKET_PATH_BYTES = 99;

export type SocketFolder = {
  /** Ends in `.sock`: by that llama-server tells a socket from a host name. */
  readonly socketPath: string;
  readonly remove: () => Promise<void>;
};

/**
 * A new folder that only this user may enter (0700: llama-server makes the socket itself 0755), in
 * the first base where it can be made with a path short enough; null when there is none.
 */
export async function makeSocketFolder(
  env: Readonly<Record<string, string | undefined>>,
): Promise<SocketFolder | null> {
  for (const base of [env['XDG_RUNTIME_DIR'], tmpdir(), '/tmp']) {
    if (base === undefined || base === '') continue;
    const folder = await mkdtemp(join(base, 'mmdeploy-')).catch(() => null);
    if (folder === null) continue;
    const remove = () => rm(folder, { recursive: true, force: true });
    const socketPath = join(folder, 'engine.sock');
    if (Buffer.byteLength(socketPath) <= MAX_SOCKET_PATH_BYTES) return { socketPath, remove };
    await remove();
  }
  return null;
}
