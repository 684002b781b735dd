import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { z } from 'zod';
import type { RunCommand } from '../process/run.ts';
import { atLeast, TOOL_NAMES, TOOLS } from './tools.ts';
import type { FoundTool, ToolName, ToolRecipe, Validators } from './tools.ts';

export type FindContext = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly run: RunCommand;
  readonly folders: { readonly cache: string };
};

/** The note that the installer leaves as its last step. */
export const MANIFEST_FILE = 'mmdeploy-validators.json';
export const API_FOLDER = 'kubernetes-api';
export const API_PACKAGE = 'golang-k8s-api-dev';

const manifestSchema = z.object({
  schema: z.literal('mmdeploy.validators/v1'),
  /** Debian's version of each package that was installed. */
  packages: z.record(z.string(), z.string()),
  installedAt: z.string(),
});
export type ValidatorManifest = z.infer<typeof manifestSchema>;

/** Where our own validators live; it can be made again. */
export function validatorsFolder(cacheFolder: string): string {
  return join(cacheFolder, 'validators');
}

/** What was installed into `folder`; null where nothing was, or not to its end. */
export async function readManifest(folder: string): Promise<ValidatorManifest | null> {
  try {
    return manifestSchema.parse(JSON.parse(await readFile(join(folder, MANIFEST_FILE), 'utf8')));
  } catch {
    return null;
  }
}

/** The user's own tools where they are new enough, else those of the private prefix. */
export async function findValidators(ctx: FindContext): Promise<Validators> {
  const folder = validatorsFolder(ctx.folders.cache);
  const manifest = await readManifest(folder);
  const entries = await Promise.all(
    TOOL_NAMES.map(async (name) => [name, await findTool(name, folder, ctx)] as const),
  );
  return {
    ...(Object.fromEntries(entries) as Record<ToolName, FoundTool | null>),
    'kubernetes-api': await kubernetesApi(folder, manifest),
  };
}

async function findTool(name: ToolName, folder: string, ctx: FindContext) {
  const recipe: ToolRecipe = TOOLS[name];
  const onPath = (ctx.env['PATH'] ?? '')
    .split(delimiter)
    .filter((entry) => entry !== '')
    .flatMap((entry) => recipe.names.map((file) => join(entry, file)));
  const ours = join(folder, 'bin', name);
  for (const path of [...onPath, ...recipe.elsewhere(ctx.env), ours]) {
    const version = await versionOf(path, recipe, ctx);
    if (version === null || !atLeast(version, recipe.least)) continue;
    return { name, path, version, source: path === ours ? 'private' : 'system' } as const;
  }
  return null;
}

async function versionOf(path: string, recipe: ToolRecipe, ctx: FindContext) {
  const there = await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!there) return null;
  const { code, stdout, stderr } = await ctx.run(path, recipe.versionArgs, {
    timeoutMs: 20_000,
    env: { ...ctx.env, LC_ALL: 'C.UTF-8' },
  });
  if (code !== 0) return null;
  return recipe.version.exec(`${stdout}\n${stderr}`)?.[1] ?? null;
}

async function kubernetesApi(
  folder: string,
  manifest: ValidatorManifest | null,
): Promise<FoundTool | null> {
  const path = join(folder, API_FOLDER);
  const version = manifest?.packages[API_PACKAGE];
  if (version === undefined) return null;
  const there = await access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
  return there ? { name: API_FOLDER, path, version, source: 'private' } : null;
}
