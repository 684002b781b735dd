import { tmpdir } from 'node:os';
import { openMediaStore, type OpenMediaStore } from '../serve/media-store/open.ts';
import type { StoreTrouble } from '../serve/media-store/store.ts';
import type { Context } from './context.ts';

export type MediaCacheRequest = {
  readonly cacheDir: string;
  readonly maxBytes: number;
  /** It knows `--media-path`; without, it gets every medium inline. */
  readonly engineReadsFiles: boolean;
};

/** The store of prepared media of this server; what goes wrong in it is told once of each kind. */
export async function openMediaCache(
  { cacheDir, maxBytes, engineReadsFiles }: MediaCacheRequest,
  ctx: Pick<Context, 'env' | 'platform' | 'notice'>,
  onTrouble: StoreTrouble = () => undefined,
): Promise<OpenMediaStore> {
  const told = new Set<string>();
  return openMediaStore({
    cacheDir: engineReadsFiles ? cacheDir : null,
    memoryFolders: engineReadsFiles ? memoryFolders(ctx) : [],
    maxBytes,
    now: Date.now,
    trouble: (what, detail) => {
      onTrouble(what, detail);
      if (!told.has(what)) ctx.notice(`warning: media cache: ${detail}`);
      told.add(what);
    },
  });
}

export function mediaPathArgs({ mediaPath }: OpenMediaStore): string[] {
  return mediaPath === null ? [] : ['--media-path', mediaPath];
}

/** Folders in memory first; the temporary one is better than sending everything inline. */
function memoryFolders({ env, platform }: Pick<Context, 'env' | 'platform'>): string[] {
  const candidates = [platform === 'linux' ? '/dev/shm' : '', env['XDG_RUNTIME_DIR'], tmpdir()];
  return candidates.filter((folder): folder is string => folder !== undefined && folder !== '');
}
