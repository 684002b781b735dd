import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
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

const releaseFileSchema = z.strictObject({
  /** Node's names: `linux`, `darwin`, `win32`; `x64`, `arm64`. */
  platform: z.string(),
  arch: z.string(),
  accelerator: z.string(),
  /** File name with `{tag}` in it. */
  file: z.string(),
  /** A second archive whose libraries belong beside the programs. */
  companion: z.string().optional(),
  /** CUDA version that the file was built with. */
  cuda: z
    .string()
    .regex(/^\d+\.\d+$/)
    .optional(),
  minComputeCapability: z.number().optional(),
  maxComputeCapability: z.number().optional(),
});
export type ReleaseFile = z.infer<typeof releaseFileSchema>;

const releaseSchema = z.strictObject({
  /** The build that is installed unless another is asked for. */
  build: z.number().int().positive(),
  /** Address of a file, with `{tag}` and `{file}` in it. */
  url: z.string(),
  /** Address that answers with the digests of a release, with `{tag}` in it. */
  digests: z.string(),
  files: z.array(releaseFileSchema).min(1),
  /** SHA-256 of known files, lower-case hex. */
  sha256: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)),
});
export type ReleaseRecipe = z.infer<typeof releaseSchema>;

const flagName = z.string().regex(/^--[a-z][a-z0-9-]*$/);

const build = z.number().int().positive();

const engineFlagSchema = z
  .strictObject({
    flag: flagName,
    /** The first build that has it. */
    since: build.optional(),
    /** A build known to have it, where the first is not known. */
    seenIn: build.optional(),
    /** The last build that has it. */
    until: build.optional(),
    /** What a llama-server without it does or cannot do; follows "this llama-server". */
    without: z.string().optional(),
    source: z.string(),
  })
  .refine(({ since, seenIn }) => (since === undefined) !== (seenIn === undefined), {
    message: 'has either `since` or `seenIn`',
  });
export type EngineFlag = z.infer<typeof engineFlagSchema>;

/** `NAME:TAG`, never `latest`: what is deployed today has to be what is deployed tomorrow. */
const image = z
  .string()
  .regex(/^[a-z0-9][\w./-]*:[\w.-]+$/)
  .refine((name) => !name.endsWith(':latest'), 'names no version');

const llamaCppImagesSchema = z.strictObject({
  repository: z.string(),
  version: z.string().regex(/^\d+\.\d+\.\d+$/),
  /** The build that this version is. */
  build,
  /** By accelerator, with `{version}` in it. */
  tags: z.record(z.string(), z.string().includes('{version}')),
  /** llama-server inside the image. */
  program: z.string().startsWith('/'),
  sources: z.array(z.string()).min(1),
});

const llamaCppSchema = z.strictObject({
  minBuild: z.number().int().positive(),
  sources: z.array(z.string()).min(1),
  requiredFlags: z.array(flagName).min(1),
  flags: z.array(engineFlagSchema),
  release: releaseSchema,
  images: llamaCppImagesSchema,
  debian: debianSchema,
});
export type LlamaCppCatalogue = z.infer<typeof llamaCppSchema>;

/** vLLM is planned for, not run: what its flags are, and where that was read. */
const vllmSchema = z.strictObject({
  /** Versions whose documentation was read. */
  documented: z.array(z.string().regex(/^\d+\.\d+\.\d+$/)).min(1),
  flags: z.array(flagName).min(1),
  /** Series of its `/metrics`. */
  metrics: z.array(z.string().startsWith('vllm:')).min(1),
  sources: z.array(z.string()).min(1),
  images: z.strictObject({
    version: z.string().regex(/^\d+\.\d+\.\d+$/),
    /** By accelerator, with `{version}` in it. */
    tags: z.record(z.string(), z.string().endsWith(':v{version}')),
    sources: z.array(z.string()).min(1),
  }),
});

const engineCatalogueSchema = z.strictObject({
  llamaCpp: llamaCppSchema,
  vllm: vllmSchema,
  images: z.strictObject({ node: image, fetch: image, sources: z.array(z.string()).min(1) }),
});
export type EngineCatalogue = z.infer<typeof engineCatalogueSchema>;

const SHIPPED = fileURLToPath(new URL('../../profiles/engines.yaml', import.meta.url));
/** Absent when running from `src/`; written by our own build from checked values, so not checked again. */
const COMPILED = fileURLToPath(new URL('./catalogue.json', import.meta.url));

/** The catalogue as the build keeps it, else `engines.yaml`. Throws as `readEngineCatalogue`. */
export async function loadEngineCatalogue(): Promise<EngineCatalogue> {
  const compiled = await readFile(COMPILED, 'utf8').catch(() => null);
  return compiled === null
    ? readEngineCatalogue(SHIPPED)
    : (JSON.parse(compiled) as EngineCatalogue);
}

/** Reads and checks a catalogue's YAML. Throws `profile.invalid`, naming the file and the field. */
async function readEngineCatalogue(file: string): Promise<EngineCatalogue> {
  let document: unknown;
  try {
    // Loaded on demand: parsing the file takes longer than the rest of a plan.
    const { parse } = await import('yaml');
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
