import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import type { DeploymentPlan } from '../contracts/plan.ts';
import { planSchema } from '../contracts/plan.ts';
import { MmdeployError, fileFault, messageOf } from '../errors.ts';

/** A plan written by `plan -o json|yaml`. Throws `file.missing`, `plan.invalid` naming the field. */
export async function readPlan(file: string): Promise<DeploymentPlan> {
  const again = 'write it again with `mmdeploy plan MODEL -o json > plan.json`';
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const message = `cannot read \`${file}\`: ${fileFault(error)}`;
    throw new MmdeployError('file.missing', message, { hints: [again], cause: error });
  }
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    const message = `\`${file}\` is neither JSON nor YAML: ${messageOf(error)}`;
    throw new MmdeployError('plan.invalid', message, { hints: [again], cause: error });
  }
  const result = planSchema.safeParse(document);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new MmdeployError(
    'plan.invalid',
    `\`${file}\` is not a plan: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
    { hints: [again] },
  );
}
