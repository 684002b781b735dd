import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { MmdeployError } from '../errors.ts';
import { loadEngineCatalogue } from '../engine/catalogue.ts';
import {
  debianHost,
  downloadPackages,
  tellStep,
  unpackPackage,
} from '../engine/debian-packages.ts';
import type { InstallContext } from '../engine/install-context.ts';
import { versionOf } from '../engine/install-debian.ts';
import { withLock } from '../engine/install-lock.ts';
import { prefixLayout } from '../engine/relocate.ts';
import { API_FOLDER, API_PACKAGE, MANIFEST_FILE, readManifest, validatorsFolder } from './find.ts';
import type { ValidatorManifest } from './find.ts';

/** Debian's packages of the readers, of Kubernetes' description, and of the libraries that shellcheck comes with. */
const READERS = ['docker-compose', 'podman', 'promtool', 'shellcheck'];
const DESCRIPTIONS = [API_PACKAGE, 'golang-k8s-kubectl-dev'];
const LIBRARIES = ['libc6', 'libffi8', 'libgmp10', 'libnuma1'];
const PACKAGES = [...READERS, ...DESCRIPTIONS, ...LIBRARIES];

/** What is kept, by the name that it gets. The Go programs are content with the system's C library. */
const KEPT: Readonly<Record<string, string>> = {
  'bin/docker-compose': 'usr/libexec/docker/cli-plugins/docker-compose',
  'bin/quadlet': 'usr/libexec/podman/quadlet',
  'bin/promtool': 'usr/bin/promtool',
  'libexec/shellcheck': 'usr/bin/shellcheck',
  // One object of each kind with every field of it, of the version of the package.
  [API_FOLDER]: 'usr/share/gocode/src/k8s.io/api/testdata/HEAD',
  // Older, but it says which fields are required.
  [`${API_FOLDER}/swagger.json`]:
    'usr/share/gocode/src/k8s.io/kubectl/testdata/openapi/swagger.json',
};

/**
 * The readers of our files from Debian's packages, in a private prefix below the cache folder: from the
 * mirror that this machine's apt uses, signatures checked by apt, nothing system-wide, no root. Returns
 * the folder, and whether anything was done. Throws `tool.missing` where it cannot be, `interrupted`.
 */
export async function installValidators(
  options: { readonly force: boolean },
  ctx: InstallContext,
): Promise<{ readonly folder: string; readonly fresh: boolean }> {
  const final = validatorsFolder(ctx.folders.cache);
  const onWait = (pid: string) => ctx.notice(`waiting for another install (process ${pid})`);
  const lock = { signal: ctx.signal, now: ctx.now, onWait };
  try {
    return await withLock(`${final}.lock`, lock, async () => {
      if (!options.force && (await isComplete(final))) return { folder: final, fresh: false };
      await build(final, ctx);
      return { folder: final, fresh: true };
    });
  } catch (error) {
    if (!(error instanceof MmdeployError) || error.code === 'interrupted') throw error;
    throw new MmdeployError('tool.missing', `the validators: ${error.message}`, {
      details: error.details,
      hints: [`install them as your system does: ${READERS.join(', ')}`],
      cause: error,
    });
  } finally {
    ctx.progress(null);
  }
}

/** A later version of mmdeploy may want more packages than an earlier one installed. */
async function isComplete(folder: string): Promise<boolean> {
  const manifest = await readManifest(folder);
  return manifest !== null && PACKAGES.every((name) => manifest.packages[name] !== undefined);
}

async function build(final: string, ctx: InstallContext): Promise<void> {
  const { llamaCpp } = await loadEngineCatalogue();
  const recipe = llamaCpp.debian;
  const host = await debianHost(recipe, ctx);
  await mkdir(dirname(final), { recursive: true });
  const scratch = await mkdtemp(join(tmpdir(), 'mmdeploy-apt-'));
  const staging = await mkdtemp(`${final}.staging-`);
  try {
    const files = await downloadPackages(
      { folder: scratch, host, packages: PACKAGES, recipe },
      ctx,
    );
    tellStep('unpacking', 2, ctx);
    const unpacked = join(staging, 'unpacked');
    for (const file of files) await unpackPackage(file, unpacked, ctx);
    tellStep('keeping what is needed', 3, ctx);
    await keep(unpacked, staging);
    const manifest: ValidatorManifest = {
      schema: 'mmdeploy.validators/v1',
      packages: Object.fromEntries(PACKAGES.map((name) => [name, versionOf(files, name)])),
      installedAt: ctx.now().toISOString(),
    };
    await writeFile(join(staging, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
    await rm(final, { recursive: true, force: true });
    await rename(staging, final);
  } finally {
    await rm(staging, { recursive: true, force: true });
    await rm(scratch, { recursive: true, force: true });
  }
}

async function keep(unpacked: string, staging: string): Promise<void> {
  for (const folder of ['bin', 'libexec']) await mkdir(join(staging, folder));
  for (const [name, path] of Object.entries(KEPT)) {
    await rename(join(unpacked, path), join(staging, name));
  }
  const { triplet, loader } = await prefixLayout(unpacked);
  await rename(join(unpacked, 'usr/lib', triplet), join(staging, 'lib'));
  await writeFile(join(staging, 'bin/shellcheck'), launcher(loader), { mode: 0o755 });
  await rm(unpacked, { recursive: true });
}

/**
 * shellcheck is built for a newer C library than a stable system's: it is started with the one that it came
 * with. patchelf breaks this program (GHC's, not position-independent): it dies at its start.
 */
function launcher(loader: string): string {
  return `#!/bin/sh
here=$(dirname -- "$0")/..
exec "$here/lib/${loader}" --library-path "$here/lib" "$here/libexec/shellcheck" "$@"
`;
}
