import { z } from 'zod';
import { engineFoundSchema } from './machine.ts';

/** What `engine list -o json` and `engine install -o json` print. */
export const ENGINES_SCHEMA = 'mmdeploy.engines/v1';
export const ENGINE_INSTALL_SCHEMA = 'mmdeploy.engine-install/v1';

const chosen = { engine: engineFoundSchema, why: z.string() };

/** Which llama-server to use on a machine, and why. */
const engineChoiceSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready'), ...chosen }),
  /** It runs, but shows none of the GPUs named here: `plan` warns, `serve` refuses. */
  z.object({ kind: z.literal('cpu-only'), ...chosen, gpus: z.array(z.string()) }),
  z.object({ kind: z.literal('too-old'), ...chosen, minBuild: z.number().int() }),
  z.object({ kind: z.literal('none'), why: z.string() }),
]);
export type EngineChoice = z.infer<typeof engineChoiceSchema>;

const unusableEngineSchema = z.object({
  path: z.string(),
  source: engineFoundSchema.shape.source,
  /** A clause that follows "cannot be used: ". */
  reason: z.string(),
});
export type UnusableEngine = z.infer<typeof unusableEngineSchema>;

export const engineListSchema = z.object({
  schema: z.literal(ENGINES_SCHEMA),
  engines: z.array(engineFoundSchema),
  unusable: z.array(unusableEngineSchema),
  choice: engineChoiceSchema,
});
export type EngineList = z.infer<typeof engineListSchema>;

export const engineInstallSchema = z.object({
  schema: z.literal(ENGINE_INSTALL_SCHEMA),
  /** False when an engine that will do was there already. */
  installed: z.boolean(),
  path: z.string(),
  /** Null when it is not one that mmdeploy installed; so are `source` and `accelerator`. */
  id: z.string().nullable(),
  source: z.enum(['release', 'debian']).nullable(),
  /** The release's tag or the package's version. */
  release: z.string().nullable(),
  accelerator: z.string().nullable(),
  why: z.string(),
});
export type EngineInstallResult = z.infer<typeof engineInstallSchema>;
