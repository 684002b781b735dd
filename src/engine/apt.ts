import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MmdeployError } from '../errors.ts';
import type { RunResult } from '../process/run.ts';
import type { DebianRecipe } from './catalogue.ts';
import { interrupted, lastLines } from './install-context.ts';
import type { InstallContext } from './install-context.ts';

const UPDATE_TIMEOUT_MS = 5 * 60_000;
const DOWNLOAD_TIMEOUT_MS = 20 * 60_000;

/** The next step wherever Debian's packages are not to be had. */
export const RELEASE_HINT =
  'install the official archive instead: `mmdeploy engine install release`';

export type AptState = { readonly folder: string; readonly config: string };

export type AptSource = {
  readonly uri: string;
  readonly keyring: string;
  /** dpkg's name: `amd64`, `arm64`. */
  readonly architecture: string;
};

/** Private: apt parses quotes and has no escape for them. */
function quoted(path: string): string {
  if (/["\\\n]/.test(path)) {
    throw new MmdeployError('engine.install', `apt cannot work in a folder of this name: ${path}`, {
      hints: ['set `XDG_DATA_HOME` to a folder without quotes in its name', RELEASE_HINT],
    });
  }
  return `"${path}"`;
}

/**
 * Makes an apt state of our own in `folder`: own source, lists, cache and dpkg status, so that the
 * system's is neither read nor changed, and no root is needed. The machine's proxy and TLS settings
 * still hold; its pins, default release and update hooks do not.
 */
export async function createAptState(
  folder: string,
  source: AptSource,
  recipe: DebianRecipe,
): Promise<AptState> {
  const at = (name: string) => join(folder, name);
  await mkdir(at('lists/partial'), { recursive: true });
  await mkdir(at('cache/archives/partial'), { recursive: true });
  await writeFile(at('status'), '');
  const options = `arch=${source.architecture} signed-by=${source.keyring} target=Packages lang=none`;
  await writeFile(
    at('sources.list'),
    `deb [${options}] ${source.uri} ${recipe.suite} ${recipe.component}\n`,
  );
  const config = at('apt.conf');
  await writeFile(
    config,
    [
      '#clear APT::Update::Pre-Invoke;',
      '#clear APT::Update::Post-Invoke;',
      '#clear APT::Update::Post-Invoke-Success;',
      'APT::Default-Release "";',
      'APT::Sandbox::User "root";',
      // apt-get update is content with mirrors that do not answer, unless told otherwise.
      'APT::Update::Error-Mode "any";',
      'Acquire::Retries "2";',
      'Acquire::http::Timeout "20";',
      'Acquire::https::Timeout "20";',
      'Debug::NoLocking "1";',
      'Dir::Etc::preferences "/dev/null";',
      'Dir::Etc::preferencesparts "/dev/null";',
      'Dir::Etc::sourceparts "/dev/null";',
      `Dir::Etc::sourcelist ${quoted(at('sources.list'))};`,
      `Dir::State::lists ${quoted(at('lists'))};`,
      `Dir::State::status ${quoted(at('status'))};`,
      `Dir::Cache ${quoted(at('cache'))};`,
      '',
    ].join('\n'),
  );
  return { folder, config };
}

/**
 * Fetches the package lists; apt checks the signatures. A mirror that stopped following Debian serves
 * an expired Release file: that is accepted with a notice, its signature is still checked.
 */
export async function aptUpdate(state: AptState, ctx: InstallContext): Promise<void> {
  const update = (extra: readonly string[]) =>
    aptGet(state, [...extra, 'update'], UPDATE_TIMEOUT_MS, ctx);
  let result = await update([]);
  if (result.code !== 0 && /Release file for .* is expired/.test(result.stderr)) {
    ctx.notice(
      'the mirror’s release file is past its date: continuing, its signature is still checked',
    );
    result = await update(['-oAcquire::Check-Valid-Until=false']);
  }
  if (result.code === 0) return;
  throw new MmdeployError('engine.install', 'apt could not read the package lists of the mirror', {
    details: errorLines(result),
    hints: [RELEASE_HINT],
  });
}

/** Downloads `packages` into `folder` and returns the files; apt checks their hashes. */
export async function aptDownload(
  state: AptState,
  packages: readonly string[],
  folder: string,
  ctx: InstallContext,
): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const result = await aptGet(state, ['download', ...packages], DOWNLOAD_TIMEOUT_MS, ctx, folder);
  if (result.code !== 0) {
    throw new MmdeployError('engine.install', 'apt could not download the packages', {
      details: errorLines(result),
      hints: [RELEASE_HINT],
    });
  }
  const names = await readdir(folder);
  return names
    .filter((name) => name.endsWith('.deb'))
    .sort()
    .map((name) => join(folder, name));
}

async function aptGet(
  state: AptState,
  args: readonly string[],
  timeoutMs: number,
  ctx: InstallContext,
  cwd = state.folder,
): Promise<RunResult> {
  const result = await ctx.run('apt-get', ['-q', '-c', state.config, ...args], {
    timeoutMs,
    cwd,
    env: aptEnvironment(ctx.env),
    signal: ctx.signal,
  });
  if (result.outcome === 'aborted') throw interrupted();
  return result;
}

/** apt's messages are matched: they must be English. */
export function aptEnvironment(env: InstallContext['env']): NodeJS.ProcessEnv {
  return { ...env, LC_ALL: 'C', LANGUAGE: 'C', DEBIAN_FRONTEND: 'noninteractive' };
}

function errorLines(result: RunResult): string[] {
  if (result.outcome === 'timeout') return ['apt-get did not finish in time'];
  const errors = result.stderr.split('\n').filter((line) => /^[EW]: /.test(line));
  return errors.length > 0 ? errors.slice(-6) : lastLines(result);
}
