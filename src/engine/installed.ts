import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** The note that an installer leaves in its folder as the last step before the rename. */
export const MANIFEST_FILE = 'mmdeploy-engine.json';

const manifestSchema = z.object({
  schema: z.literal('mmdeploy.installed-engine/v1'),
  id: z.string(),
  source: z.enum(['debian', 'release']),
  accelerator: z.string(),
  /** The package version, or the release's tag. */
  release: z.string(),
  /** Relative to the folder, with forward slashes. */
  server: z.string(),
  url: z.string().nullable(),
  sha256: z.string().nullable(),
  installedAt: z.string(),
});
export type EngineManifest = z.infer<typeof manifestSchema>;

export type InstalledEngine = EngineManifest & { readonly folder: string; readonly path: string };

/** Where our own engines live: one folder each, named by its id. */
export function enginesFolder(dataFolder: string): string {
  return join(dataFolder, 'engines');
}

/** The engines that mmdeploy installed, by id. Folders without a manifest are not ours, or not done. */
export async function installedEngines(dataFolder: string): Promise<InstalledEngine[]> {
  const root = enginesFolder(dataFolder);
  const entries = await readdir(root, { withFileTypes: true }).catch(() => []);
  const names = entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .sort();
  const engines = await Promise.all(names.map((name) => readManifest(join(root, name))));
  return engines.filter((engine) => engine !== null);
}

async function readManifest(folder: string): Promise<InstalledEngine | null> {
  try {
    const manifest = manifestSchema.parse(
      JSON.parse(await readFile(join(folder, MANIFEST_FILE), 'utf8')),
    );
    return { ...manifest, folder, path: join(folder, ...manifest.server.split('/')) };
  } catch {
    return null;
  }
}
