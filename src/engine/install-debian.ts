import { constants } from 'node:fs';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { messageOf, MmdeployError } from '../errors.ts';
import { debianMirrors } from './apt-sources.ts';
import { aptDownload, aptEnvironment, aptUpdate, createAptState, RELEASE_HINT } from './apt.ts';
import type { AptSource, AptState } from './apt.ts';
import type { DebianRecipe } from './catalogue.ts';
import { interrupted, lastLines, stopIfAborted } from './install-context.ts';
import type { InstallContext } from './install-context.ts';
import { relocate } from './relocate.ts';
import { installStaged } from './staging.ts';
import type { StagedEngine } from './staging.ts';

export type DebianInstall = {
  readonly recipe: DebianRecipe;
  readonly accelerator: string;
  readonly force: boolean;
};

const SERVER = 'usr/bin/llama-server';
const STEPS = 4;

/**
 * llama.cpp from Debian's own packages, in a private prefix: from the mirror that this machine's apt
 * uses, signatures checked by apt, nothing system-wide, no root. Throws `engine.install` with the next
 * step where it cannot be (no Debian, no keyring, no mirror), and leaves nothing half-installed.
 */
export async function installDebian(
  request: DebianInstall,
  ctx: InstallContext,
): Promise<StagedEngine> {
  const { recipe, accelerator } = request;
  const extra = recipe.accelerators[accelerator];
  if (extra === undefined) {
    const known = Object.keys(recipe.accelerators).join(', ');
    throw refused(`Debian has no llama.cpp packages for \`${accelerator}\` (known: ${known})`);
  }
  const host = await debianHost(recipe, ctx);
  const packages = [...recipe.packages, ...extra];
  return installStaged(
    {
      id: `debian-${accelerator}`,
      force: request.force,
      build: async (staging, final) => {
        const debs = await mkdtemp(join(tmpdir(), 'mmdeploy-apt-'));
        try {
          const files = await download(debs, host, packages, recipe, ctx);
          step('unpacking', 2, ctx);
          for (const file of files) await unpack(file, staging, ctx);
          step('patching', 3, ctx);
          await relocate(staging, final, ctx);
          const release = versionOf(files, 'llama.cpp-tools');
          return {
            source: 'debian',
            accelerator,
            release,
            server: SERVER,
            url: null,
            sha256: null,
          };
        } finally {
          ctx.progress(null);
          await rm(debs, { recursive: true, force: true });
        }
      },
    },
    ctx,
  );
}

function refused(message: string): MmdeployError {
  return new MmdeployError('engine.install', message, { hints: [RELEASE_HINT] });
}

function step(label: string, done: number, ctx: InstallContext): void {
  stopIfAborted(ctx.signal);
  ctx.progress({ label, done, total: STEPS, unit: 'steps' });
}

type DebianHost = Omit<AptSource, 'uri'> & { readonly mirrors: readonly string[] };

/** What this machine offers, or the reason why Debian's packages cannot be had on it. */
async function debianHost(recipe: DebianRecipe, ctx: InstallContext): Promise<DebianHost> {
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

/** Tries the machine's mirrors in turn; the last one's error is the one that is told. */
async function download(
  folder: string,
  host: DebianHost,
  packages: readonly string[],
  recipe: DebianRecipe,
  ctx: InstallContext,
): Promise<string[]> {
  let failure: unknown = refused('no mirror was tried');
  for (const [index, uri] of host.mirrors.slice(0, 3).entries()) {
    try {
      step('reading the package lists', 0, ctx);
      const state: AptState = await createAptState(
        join(folder, `state-${index}`),
        { ...host, uri },
        recipe,
      );
      await aptUpdate(state, ctx);
      step('downloading packages', 1, ctx);
      return await aptDownload(state, packages, join(folder, `debs-${index}`), ctx);
    } catch (error) {
      stopIfAborted(ctx.signal);
      failure = error;
    }
  }
  throw failure instanceof MmdeployError ? failure : refused(messageOf(failure));
}

async function unpack(file: string, staging: string, ctx: InstallContext): Promise<void> {
  const result = await ctx.run('dpkg-deb', ['-x', file, staging], {
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

/** `llama.cpp-tools_1%3a0.7.0+dfsg-2_amd64.deb` to `1:0.7.0+dfsg-2`. */
export function versionOf(files: readonly string[], packageName: string): string {
  const file = files
    .map((path) => basename(path))
    .find((name) => name.startsWith(`${packageName}_`));
  const version = file?.split('_')[1];
  return version === undefined ? 'unknown' : decodeURIComponent(version);
}
