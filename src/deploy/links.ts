import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { DeploymentPlan } from '../contracts/plan.ts';
import { shardNames } from '../render/parts/shards.ts';
import type { LinkedFile } from '../render/types.ts';

/**
 * The model's files in folders of this machine where one of them is a link, as in the cache of the Hugging
 * Face Hub, and what each leads to. None where files are not here.
 */
export async function linkedFiles({ files }: DeploymentPlan): Promise<readonly LinkedFile[]> {
  const paths = [files.model, files.mmproj].flatMap((file) => file?.path ?? []);
  const found = await Promise.all(
    paths.flatMap((path) =>
      shardNames(basename(path)).map((name) => resolved(dirname(path), name)),
    ),
  );
  const here = found.filter((each) => each !== null);
  const withLinks = new Set(here.filter(({ isLink }) => isLink).map(({ folder }) => folder));
  return here
    .filter(({ folder }) => withLinks.has(folder))
    .map(({ folder, name, real }) => ({ folder, name, real }));
}

async function resolved(
  folder: string,
  name: string,
): Promise<(LinkedFile & { readonly isLink: boolean }) | null> {
  try {
    const [whole, real] = await Promise.all([realpath(folder), realpath(join(folder, name))]);
    return { folder, name, real, isLink: real !== join(whole, name) };
  } catch {
    return null;
  }
}
