import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { DeploymentManifest } from '../contracts/deployment.ts';
import { deploymentSchema } from '../contracts/deployment.ts';
import { MmdeployError, messageOf } from '../errors.ts';
import { textThere } from './write.ts';

/** What was written to the folder it lies in, and of what. */
export const MANIFEST_FILE = 'mmdeploy.json';

/** What was written to a folder; null where nothing was. Throws `input.invalid` for a file that is no manifest. */
export async function manifestThere(folder: string): Promise<DeploymentManifest | null> {
  const file = join(folder, MANIFEST_FILE);
  const text = await textThere(file);
  if (text === null) return null;
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw noManifest(file, messageOf(error));
  }
  const { data, error } = deploymentSchema.safeParse(document);
  if (data !== undefined) return data;
  const [issue] = error.issues;
  throw noManifest(file, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

function noManifest(file: string, why: string): MmdeployError {
  return new MmdeployError('input.invalid', `\`${file}\` is no manifest of this version: ${why}`, {
    hints: ['write it anew: `mmdeploy plan MODEL --target NAMES --write DIR --force`'],
  });
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
