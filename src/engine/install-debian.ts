import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { DebianRecipe } from './catalogue.ts';
import {
  debianHost,
  downloadPackages,
  refused,
  tellStep,
  unpackPackage,
} from './debian-packages.ts';
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
          const files = await downloadPackages({ folder: debs, host, packages, recipe }, ctx);
          tellStep('unpacking', 2, ctx);
          for (const file of files) await unpackPackage(file, staging, ctx);
          tellStep('patching', 3, ctx);
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

/** `llama.cpp-tools_1%3a0.7.0+dfsg-2_amd64.deb` to `1:0.7.0+dfsg-2`. */
export function versionOf(files: readonly string[], packageName: string): string {
  const file = files
    .map((path) => basename(path))
    .find((name) => name.startsWith(`${packageName}_`));
  const version = file?.split('_')[1];
  return version === undefined ? 'unknown' : decodeURIComponent(version);
}
