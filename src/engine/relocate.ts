import { lstat, readdir, rm, symlink } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { MmdeployError } from '../errors.ts';
import { interrupted, lastLines } from './install-context.ts';
import type { InstallContext } from './install-context.ts';

type PrefixLayout = {
  /** `x86_64-linux-gnu`, `aarch64-linux-gnu`. */
  readonly triplet: string;
  /** File name of the loader, e.g. `ld-linux-x86-64.so.2`. */
  readonly loader: string;
};

/** Triplet and loader of the C library that was unpacked into `prefix`. */
export async function prefixLayout(prefix: string): Promise<PrefixLayout> {
  const libraries = join(prefix, 'usr/lib');
  const names = await readdir(libraries).catch(() => []);
  for (const triplet of names.filter((name) => /-linux-gnu\w*$/.test(name))) {
    const loader = (await readdir(join(libraries, triplet))).find((name) =>
      /^ld-linux.*\.so\.\d+$/.test(name),
    );
    if (loader !== undefined) return { triplet, loader };
  }
  throw new MmdeployError('engine.install', 'the unpacked packages hold no C library loader');
}

/**
 * Makes the unpacked packages in `staging` run from `final`, beside an older C library: the programs
 * get the prefix's own loader, programs and llama.cpp's libraries its library folders. RPATH, not
 * RUNPATH: only RPATH is inherited by the libraries' own dependencies. ggml looks for its backends in
 * a compiled-in system folder and beside the program: they are linked there, relative.
 * The result runs from `final` only.
 */
export async function relocate(staging: string, final: string, ctx: InstallContext): Promise<void> {
  const layout = await prefixLayout(staging);
  const here = join(staging, 'usr/lib', layout.triplet);
  const there = join(final, 'usr/lib', layout.triplet);
  const programFolders = [
    join(staging, 'usr/bin'),
    join(staging, 'usr/libexec', layout.triplet, 'llama/bin'),
  ];
  const programs = [
    ...(await filesIn(join(staging, 'usr/bin'), /^llama-/)),
    ...(await filesIn(join(staging, 'usr/libexec', layout.triplet, 'llama/bin'), /^(llama|ggml)-/)),
  ];
  const libraries = [
    ...(await filesIn(join(here, 'llama'), /\.so/)),
    ...(await filesIn(here, /^lib(llama|mtmd|ggml).*\.so\./)),
  ];
  const rpath = ['--force-rpath', '--set-rpath', `${there}:${join(there, 'llama')}`];
  const patch = (args: readonly string[], files: readonly string[]) =>
    patchelf(staging, here, layout.loader, [...args, ...files], ctx);
  await patch(['--set-interpreter', join(there, layout.loader), ...rpath], programs);
  await patch(rpath, libraries);

  const backends = await filesIn(join(here, 'ggml/backends0'), /\.so$/);
  for (const folder of programFolders) {
    for (const backend of backends) {
      const link = join(folder, basename(backend));
      await rm(link, { force: true });
      await symlink(relative(folder, backend), link);
    }
  }
  await rm(join(staging, 'usr/bin/patchelf'), { force: true });
}

/** The prefix's own patchelf, through the prefix's own loader: it runs on any older system. */
async function patchelf(
  staging: string,
  libraries: string,
  loader: string,
  args: readonly string[],
  ctx: InstallContext,
): Promise<void> {
  const program = join(staging, 'usr/bin/patchelf');
  const result = await ctx.run(
    join(libraries, loader),
    ['--library-path', libraries, program, ...args],
    { timeoutMs: 60_000, env: ctx.env, signal: ctx.signal },
  );
  if (result.outcome === 'aborted') throw interrupted();
  if (result.code === 0) return;
  throw new MmdeployError('engine.install', 'the unpacked programs could not be patched', {
    details: lastLines(result),
  });
}

/** Plain files (no links) of `folder` whose names match; a missing folder has none. */
async function filesIn(folder: string, pattern: RegExp): Promise<string[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => pattern.test(name)).sort();
  const files: string[] = [];
  for (const name of names) {
    const path = join(folder, name);
    if ((await lstat(path)).isFile()) files.push(path);
  }
  return files;
}
