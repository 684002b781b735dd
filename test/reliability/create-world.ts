import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
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
  const fakes = join(repository, 'test/fakes');
  const program = [process.execPath, join(repository, 'bin/mmdeploy.js')];
  const standIn = join(fakes, 'as-llama-server.mjs');
  const environment = ({ fake, home = folder(), env = {} }: ServeOptions) => ({
    ...process.env,
    ...env,
    XDG_STATE_HOME: join(home, 'state'),
    XDG_DATA_HOME: join(home, 'data'),
    XDG_CACHE_HOME: join(home, 'cache'),
    MMDEPLOY_LLAMA_SERVER: fake === undefined ? engine : standIn,
    FAKE_REAL_ENGINE: engine,
    MMDEPLOY_FAKE: fake === undefined ? '' : join(fakes, `${fake}.mjs`),
  });
  const serve = (options: ServeOptions = {}) => {
    const { flags = [], wrapper = [], what = ['--demo'] } = options;
    const port = flags.includes('--port') ? [] : ['--port', '0'];
    return startServed({
      command: [...wrapper, ...program],
      args: ['serve', ...what, ...port, ...flags],
      env: environment(options),
    });
  };
  const run = async (args: readonly string[], options: ServeOptions = {}) => {
    const [node = '', ...file] = program;
    const env = environment(options);
    const { stdout, stderr } = await promisify(execFile)(node, [...file, ...args], { env });
    return stdout + stderr;
  };
  const remove = () => rmSync(root, { recursive: true, force: true });
  return { sizes, serve, run, folder, remove };
}
