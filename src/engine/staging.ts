import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, MmdeployError } from '../errors.ts';
import { interrupted, stopIfAborted } from './install-context.ts';
import type { InstallContext } from './install-context.ts';
import { withLock } from './install-lock.ts';
import { enginesFolder, installedEngines, MANIFEST_FILE } from './installed.ts';
import type { EngineManifest, InstalledEngine } from './installed.ts';
import { probeEngine } from './probe.ts';

type Staged = Omit<EngineManifest, 'schema' | 'id' | 'installedAt'>;

/** `fresh` is false when it was there already and nothing was done. */
export type StagedEngine = InstalledEngine & { readonly fresh: boolean };

export type StageOptions = {
  readonly id: string;
  /** Install again although it is there. */
  readonly force: boolean;
  /**
   * Fills `staging` with the engine as it must be once it is called `final`, and says what it is.
   * Whatever it throws leaves nothing behind.
   */
  readonly build: (staging: string, final: string) => Promise<Staged>;
};

/**
 * Installs an engine so that it is there whole or not at all: built in a folder beside its place,
 * renamed, asked for its version, and taken back when it does not answer. An earlier installation of
 * the same id stays until then. Throws `engine.install` or `interrupted`.
 */
export async function installStaged(
  options: StageOptions,
  ctx: InstallContext,
): Promise<StagedEngine> {
  const root = enginesFolder(ctx.folders.data);
  let waited = false;
  const lock = {
    signal: ctx.signal,
    now: ctx.now,
    onWait: (pid: string) => {
      waited = true;
      ctx.notice(`waiting for another install (process ${pid})`);
    },
  };
  try {
    return await withLock(join(root, `.lock-${options.id}`), lock, async () => {
      const present = await answering(options.id, ctx);
      if (present !== null && (!options.force || waited)) return { ...present, fresh: false };
      return { ...(await replace(root, options, ctx)), fresh: true };
    });
  } catch (error) {
    throw asInstallError(error, root, ctx.signal);
  }
}

async function replace(
  root: string,
  options: StageOptions,
  ctx: InstallContext,
): Promise<InstalledEngine> {
  const final = join(root, options.id);
  const old = join(root, `.old-${options.id}`);
  await sweep(root, options.id);
  const staging = await mkdtemp(join(root, `.staging-${options.id}-`));
  try {
    const staged = await options.build(staging, final);
    const manifest: EngineManifest = {
      schema: 'mmdeploy.installed-engine/v1',
      id: options.id,
      ...staged,
      installedAt: ctx.now().toISOString(),
    };
    await writeFile(join(staging, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
    stopIfAborted(ctx.signal);
    const replaced = await renameIfThere(final, old);
    try {
      await rename(staging, final);
      const engine = { ...manifest, folder: final, path: join(final, ...staged.server.split('/')) };
      await assertAnswers(engine, ctx);
      return engine;
    } catch (error) {
      await rm(final, { recursive: true, force: true });
      if (replaced) await rename(old, final);
      throw error;
    }
  } finally {
    await rm(staging, { recursive: true, force: true });
    await rm(old, { recursive: true, force: true });
  }
}

async function assertAnswers(engine: InstalledEngine, ctx: InstallContext): Promise<void> {
  const probe = await probeEngine(engine.path, { ...ctx, cacheFolder: null });
  stopIfAborted(ctx.signal);
  if (probe.kind === 'engine') return;
  throw new MmdeployError(
    'engine.install',
    `the installed llama-server does not run here: ${probe.reason}`,
    { hints: ['another source may: `mmdeploy engine install debian`, or `--accelerator cpu`'] },
  );
}

async function answering(id: string, ctx: InstallContext): Promise<InstalledEngine | null> {
  const engines = await installedEngines(ctx.folders.data);
  const engine = engines.find((candidate) => candidate.id === id);
  if (engine === undefined) return null;
  const probe = await probeEngine(engine.path, { ...ctx, cacheFolder: null });
  return probe.kind === 'engine' ? engine : null;
}

/** Removes what a killed install left; only the holder of the lock may. */
async function sweep(root: string, id: string): Promise<void> {
  await mkdir(root, { recursive: true });
  for (const name of await readdir(root)) {
    if (name.startsWith(`.staging-${id}-`)) {
      await rm(join(root, name), { recursive: true, force: true });
    }
  }
  // Killed between the two renames: the earlier installation is still whole under its other name.
  const old = join(root, `.old-${id}`);
  const names = await readdir(root);
  if (names.includes(id)) await rm(old, { recursive: true, force: true });
  else await renameIfThere(old, join(root, id));
}

async function renameIfThere(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function asInstallError(error: unknown, root: string, signal: AbortSignal): unknown {
  if (signal.aborted) return interrupted();
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC') {
    return new MmdeployError('engine.install', `no space left on the disk of ${root}`, {
      hints: ['set `XDG_DATA_HOME` to a folder on another disk and run the command again'],
      cause: error,
    });
  }
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') {
    return new MmdeployError('engine.install', `cannot write to ${root}: ${messageOf(error)}`, {
      hints: ['set `XDG_DATA_HOME` to a folder that you may write to and run the command again'],
      cause: error,
    });
  }
  return error;
}
