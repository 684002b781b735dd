import { spawnSync } from 'node:child_process';
import { accessSync, constants, lstatSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { debianMirrors } from '../../src/engine/apt-sources.ts';
import { loadEngineCatalogue } from '../../src/engine/catalogue.ts';
import { isDebian } from '../../src/engine/debian-system.ts';
import type { InstallContext } from '../../src/engine/install-context.ts';
import { installDebian } from '../../src/engine/install-debian.ts';
import { MmdeployError, messageOf } from '../../src/errors.ts';
import { folders } from '../../src/process/folders.ts';
import { runCommand } from '../../src/process/run.ts';

/** A context on real processes and the folders below `root`, quiet unless told otherwise. */
export function installContext(
  root: string,
  overrides: Partial<InstallContext> = {},
): InstallContext {
  const env = {
    ...process.env,
    XDG_DATA_HOME: join(root, 'data'),
    XDG_CACHE_HOME: join(root, 'cache'),
    XDG_STATE_HOME: join(root, 'state'),
    XDG_CONFIG_HOME: join(root, 'config'),
  };
  return {
    env,
    platform: process.platform,
    folders: folders(env),
    run: runCommand,
    now: () => new Date(),
    signal: new AbortController().signal,
    notice: () => undefined,
    progress: () => undefined,
    ...overrides,
  };
}

/** Whether apt can fetch from the machine's own Debian mirror; a line on stderr says why not. */
export async function debianMirrorAnswers(suite: string): Promise<boolean> {
  const debian = await isDebian(process.platform);
  if (debian && process.env['MMDEPLOY_REQUIRE_ENGINE'] === '1') return true;
  const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-mirror-'));
  try {
    if (!debian) throw new Error('this system is not Debian');
    const [uri] = await debianMirrors(runCommand, { ...process.env, LC_ALL: 'C' });
    if (uri === undefined) throw new Error('apt has no Debian mirror');
    const address = `${uri.replace(/\/$/, '')}/dists/${suite}/InRelease`;
    const args = ['download-file', address, join(folder, 'InRelease')];
    const { code } = await runCommand('/usr/lib/apt/apt-helper', args, { timeoutMs: 30_000 });
    if (code !== 0) throw new Error('the Debian mirror does not answer');
    return true;
  } catch (error) {
    process.stderr.write(`tests of \`engine install debian\` skipped: ${messageOf(error)}\n`);
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export type TestEngine =
  | { readonly path: string; readonly reason: null }
  | { readonly path: null; readonly reason: string };

/**
 * The llama-server that real-engine tests run: `MMDEPLOY_TEST_LLAMA_SERVER`, else PATH, else our own
 * `debian` install in a folder that later runs find again.
 */
export async function testEngine(env: NodeJS.ProcessEnv): Promise<TestEngine> {
  const named = env['MMDEPLOY_TEST_LLAMA_SERVER'];
  if (named !== undefined && named !== '') {
    return answers(named)
      ? { path: named, reason: null }
      : { path: null, reason: `MMDEPLOY_TEST_LLAMA_SERVER=${named} does not answer --version` };
  }
  const onPath = (env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'llama-server'))
    .find(answers);
  if (onPath !== undefined) return { path: onPath, reason: null };
  try {
    const root = ownFolder(join(tmpdir(), `mmdeploy-test-engine-${userInfo().uid}`));
    const { llamaCpp } = await loadEngineCatalogue();
    const request = { recipe: llamaCpp.debian, accelerator: 'cpu', force: false };
    const engine = await installDebian(request, installContext(root));
    return { path: engine.path, reason: null };
  } catch (error) {
    const details = error instanceof MmdeployError ? error.details : [];
    return { path: null, reason: [messageOf(error), ...details].join('; ') };
  }
}

/** What is run from a folder with a foreseeable name must be ours, and nobody else's to write. */
function ownFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const folder = lstatSync(path);
  const foreign = folder.uid !== userInfo().uid || (folder.mode & 0o022) !== 0;
  if (!folder.isDirectory() || (process.platform !== 'win32' && foreign)) {
    throw new Error(`${path} belongs to somebody else`);
  }
  return path;
}

function answers(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
  } catch {
    return false;
  }
  const result = spawnSync(path, ['--version'], { timeout: 20_000, encoding: 'utf8' });
  return result.status === 0 && /^version: /m.test(`${result.stdout}\n${result.stderr}`);
}
