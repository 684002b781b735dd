import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { messageOf, MmdeployError } from '../errors.ts';

const packageName = z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/);

const debianSchema = z.strictObject({
  suite: z.string(),
  component: z.string(),
  /** Files that hold Debian's archive keys; the first that exists signs. */
  keyrings: z.array(z.string().startsWith('/')).min(1),
  architectures: z.array(z.string()),
  packages: z.array(packageName).min(1),
  /** Packages on top, by accelerator. */
  accelerators: z.record(z.string(), z.array(packageName)),
});
export type DebianRecipe = z.infer<typeof debianSchema>;

export const engineCatalogueSchema = z.strictObject({
  llamaCpp: z.strictObject({ debian: debianSchema }),
});
export type EngineCatalogue = z.infer<typeof engineCatalogueSchema>;

const SHIPPED = fileURLToPath(new URL('../../profiles/engines.yaml', import.meta.url));

/** Reads and checks `engines.yaml`. Throws `profile.invalid`, naming the file and the field. */
export async function loadEngineCatalogue(file: string = SHIPPED): Promise<EngineCatalogue> {
  let document: unknown;
  try {
    document = parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new MmdeployError('profile.invalid', `cannot read ${file}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const result = engineCatalogueSchema.safeParse(document);
  if (result.success) return result.data;
  throw new MmdeployError('profile.invalid', `${file} is not a valid engine catalogue`, {
    details: result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`),
  });
}
