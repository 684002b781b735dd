import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServed } from './served.ts';
import type { ServeOptions, Sizes, World } from './world.ts';

type OwnWorld = World & { readonly remove: () => void };

/**
 * A world of the built program in `repository` and the llama-server `engine`. Every server has folders
 * of its own: nothing is known from the one before.
 */
export function createWorld(repository: string, engine: string, sizes: Sizes): OwnWorld {
  const root = mkdtempSync(join(tmpdir(), 'mmdeploy-reliability-'));
  let folders = 0;
  const folder = () => {
    folders += 1;
    const path = join(root, String(folders));
    mkdirSync(path);
    return path;
  };
  const serve = ({ fake, flags = [], wrapper = [] }: ServeOptions = {}) => {
    const home = folder();
    const fakes = join(repository, 'test/fakes');
    const instead =
      fake === undefined ? [] : ['--llama-server', join(fakes, 'as-llama-server.mjs')];
    const port = flags.includes('--port') ? [] : ['--port', '0'];
    return startServed({
      command: [...wrapper, process.execPath, join(repository, 'bin/mmdeploy.js')],
      args: ['serve', '--demo', ...instead, ...port, ...flags],
      env: {
        ...process.env,
        XDG_STATE_HOME: join(home, 'state'),
        XDG_DATA_HOME: join(home, 'data'),
        XDG_CACHE_HOME: join(home, 'cache'),
        MMDEPLOY_LLAMA_SERVER: engine,
        MMDEPLOY_FAKE: fake === undefined ? '' : join(fakes, `${fake}.mjs`),
      },
    });
  };
  return { sizes, serve, folder, remove: () => rmSync(root, { recursive: true, force: true }) };
}
