import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { loadEngineCatalogue } from '../../src/engine/catalogue.ts';
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
    const root = join(tmpdir(), `mmdeploy-test-engine-${userInfo().uid}`);
    const { llamaCpp } = await loadEngineCatalogue();
    const request = { recipe: llamaCpp.debian, accelerator: 'cpu', force: false };
    const engine = await installDebian(request, installContext(root));
    return { path: engine.path, reason: null };
  } catch (error) {
    const details = error instanceof MmdeployError ? error.details : [];
    return { path: null, reason: [messageOf(error), ...details].join('; ') };
  }
}

function answers(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
  } catch {
    return false;
  }
  return spawnSync(path, ['--version'], { timeout: 20_000 }).status === 0;
}
