import { z } from 'zod';

/** `mmdeploy.deployment/v1`: the manifest beside written files, and what `plan -o json` says of them. */
export const DEPLOYMENT_SCHEMA = 'mmdeploy.deployment/v1';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const deployedFileSchema = z.object({
  /** Relative to the folder. */
  path: z.string(),
  /** The target that it belongs to; null for the plan, which belongs to all. */
  target: z.string().nullable(),
  bytes: z.number().int().nonnegative(),
  sha256,
  /** The tool that read it without a complaint, with its version; null: nothing here could read it. */
  validatedBy: z.string().nullable(),
  /** Readers that are not here, with the reason; null: all of them are. */
  notValidated: z.string().nullable(),
});
export type DeployedFileRecord = z.infer<typeof deployedFileSchema>;

/** What the files were made with beside the plan: enough to make them again. */
const deploymentOptionsSchema = z.object({
  targets: z.array(z.string()),
  shape: z.enum(['engine', 'gateway']),
  modelsDir: z.string().nullable(),
  /** Files of the model that are links, or lie beside some, and what they led to. */
  links: z
    .array(z.object({ folder: z.string(), name: z.string(), real: z.string() }))
    .readonly()
    .optional(),
  listen: z.object({ host: z.string(), port: z.number().int() }),
  cdi: z.boolean(),
  groups: z.object({ video: z.number().int(), render: z.number().int() }).nullable(),
  monitoring: z.boolean(),
});
export type DeploymentOptionsRecord = z.infer<typeof deploymentOptionsSchema>;

export const deploymentSchema = z.object({
  schema: z.literal(DEPLOYMENT_SCHEMA),
  /** `mmdeploy` and its version. */
  madeBy: z.string(),
  command: z.string(),
  /** `sha256:` over plan.json. */
  plan: z.string(),
  options: deploymentOptionsSchema,
  files: z.array(deployedFileSchema),
});
export type DeploymentManifest = z.infer<typeof deploymentSchema>;
