import { homedir } from 'node:os';
import { join } from 'node:path';

type Env = Readonly<Record<string, string | undefined>>;

export type Folders = {
  /** Long-lived data: installed engines. */
  readonly data: string;
  /** What can be made again: the demo model, engine probes. */
  readonly cache: string;
  /** Logs and run state. */
  readonly state: string;
  readonly config: string;
};

/** The XDG folders of mmdeploy (`LOCALAPPDATA` on Windows). Nothing is created here. */
export function folders(env: Env, platform: NodeJS.Platform = process.platform): Folders {
  const home = env['HOME'] ?? env['USERPROFILE'] ?? homedir();
  if (platform === 'win32') {
    const base = join(env['LOCALAPPDATA'] ?? join(home, 'AppData', 'Local'), 'mmdeploy');
    return {
      data: join(base, 'data'),
      cache: join(base, 'cache'),
      state: join(base, 'state'),
      config: join(base, 'config'),
    };
  }
  const at = (name: string, fallback: string) =>
    join(env[name] || join(home, fallback), 'mmdeploy');
  return {
    data: at('XDG_DATA_HOME', '.local/share'),
    cache: at('XDG_CACHE_HOME', '.cache'),
    state: at('XDG_STATE_HOME', '.local/state'),
    config: at('XDG_CONFIG_HOME', '.config'),
  };
}
