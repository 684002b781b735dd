import { z } from 'zod';

/** `mmdeploy.check/v1`: what `check DIR -o json` prints. */
export const CHECK_SCHEMA = 'mmdeploy.check/v1';

/**
 * `changed`: not as it was written. `outdated`: as it was written, and this version of mmdeploy would write
 * another. `missing`: not there.
 */
const FILE_STATES = ['unchanged', 'changed', 'outdated', 'missing'] as const;

const checkedFileSchema = z.object({
  path: z.string(),
  target: z.string().nullable(),
  state: z.enum(FILE_STATES),
  /** Lines that differ from what the plan gives, `-` planned and `+` found, with the line's number. */
  differences: z.array(z.string()),
  validatedBy: z.string().nullable(),
  notValidated: z.string().nullable(),
  /** What its reader says is wrong with it. */
  findings: z.array(z.string()),
});
export type CheckedFile = z.infer<typeof checkedFileSchema>;

export const checkSchema = z.object({
  schema: z.literal(CHECK_SCHEMA),
  folder: z.string(),
  madeBy: z.string(),
  checkedBy: z.string(),
  /** Whether plan.json is still the plan that the files were made from. */
  planUnchanged: z.boolean(),
  files: z.array(checkedFileSchema),
  /** True where any file is not as the plan gives it, or its reader refuses it. */
  drifted: z.boolean(),
});
export type CheckReport = z.infer<typeof checkSchema>;
