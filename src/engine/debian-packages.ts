import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { messageOf, MmdeployError } from '../errors.ts';
import { debianMirrors } from './apt-sources.ts';
import { aptDownload, aptEnvironment, aptUpdate, createAptState, RELEASE_HINT } from './apt.ts';
import type { AptSource, AptState } from './apt.ts';
import type { DebianRecipe } from './catalogue.ts';
import { interrupted, lastLines, stopIfAborted } from './install-context.ts';
import type { InstallContext } from './install-context.ts';

const STEPS = 4;

export function refused(message: string): MmdeployError {
  return new MmdeployError('engine.install', message, { hints: [RELEASE_HINT] });
}

/** One of an install's four steps: lists, packages, unpacking, putting into place. */
export function tellStep(label: string, done: number, ctx: InstallContext): void {
  stopIfAborted(ctx.signal);
  ctx.progress({ label, done, total: STEPS, unit: 'steps' });
}

type DebianHost = Omit<AptSource, 'uri'> & { readonly mirrors: readonly string[] };

/** What this machine offers, or the reason why Debian's packages cannot be had on it. */
export async function debianHost(recipe: DebianRecipe, ctx: InstallContext): Promise<DebianHost> {
  if (ctx.platform !== 'linux') throw refused(`Debian packages do not run on ${ctx.platform}`);
  const env = aptEnvironment(ctx.env);
  const dpkg = await ctx.run('dpkg', ['--print-architecture'], { timeoutMs: 20_000, env });
  if (dpkg.code !== 0) throw refused('this system has no dpkg and apt: it is not Debian');
  const architecture = dpkg.stdout.trim();
  if (!recipe.architectures.includes(architecture)) {
    throw refused(`the packages were never tried on ${architecture}`);
  }
  const keyring = await firstReadable(recipe.keyrings);
  if (keyring === null) {
    throw refused(
      `Debian’s archive keys are not on this system (${recipe.keyrings[0] ?? ''}), as on Ubuntu`,
    );
  }
  const mirrors = await debianMirrors(ctx.run, env);
  if (mirrors.length === 0) throw refused('apt is not configured with a Debian mirror here');
  return { architecture, keyring, mirrors };
}

async function firstReadable(files: readonly string[]): Promise<string | null> {
  for (const file of files) {
    const readable = await access(file, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (readable) return file;
  }
  return null;
}

type PackageDownload = {
  /** Scratch space: the apt state, the lists and the packages. */
  readonly folder: string;
  readonly host: DebianHost;
  readonly packages: readonly string[];
  readonly recipe: DebianRecipe;
};

/** Tries the machine's mirrors in turn; the last one's error is the one that is told. */
export async function downloadPackages(
  { folder, host, packages, recipe }: PackageDownload,
  ctx: InstallContext,
): Promise<string[]> {
  let failure: unknown = refused('no mirror was tried');
  for (const [index, uri] of host.mirrors.slice(0, 3).entries()) {
    try {
      tellStep('reading the package lists', 0, ctx);
      const state: AptState = await createAptState(
        join(folder, `state-${index}`),
        { ...host, uri },
        recipe,
      );
      await aptUpdate(state, ctx);
      tellStep('downloading packages', 1, ctx);
      return await aptDownload(state, packages, join(folder, `debs-${index}`), ctx);
    } catch (error) {
      stopIfAborted(ctx.signal);
      failure = error;
    }
  }
  throw failure instanceof MmdeployError ? failure : refused(messageOf(failure));
}

/** The package's files below `folder`; its scripts are not run. */
export async function unpackPackage(
  file: string,
  folder: string,
  ctx: InstallContext,
): Promise<void> {
  const result = await ctx.run('dpkg-deb', ['-x', file, folder], {
    timeoutMs: 120_000,
    env: aptEnvironment(ctx.env),
    signal: ctx.signal,
  });
  if (result.outcome === 'aborted') throw interrupted();
  if (result.code === 0) return;
  throw new MmdeployError('engine.install', `cannot unpack ${basename(file)}`, {
    details: lastLines(result),
  });
}
