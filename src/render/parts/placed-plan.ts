import { planText } from '../deployment.ts';
import type { Deployment, RenderedFile } from '../types.ts';
import type { Placed } from './argv.ts';
import { engineArgs } from './argv.ts';

/** The plan for `mmdeploy serve --plan` in another place: with the files' paths and the arguments there. */
export function placedPlan(deployment: Deployment, path: string, placed: Placed): RenderedFile {
  const { plan, files } = deployment;
  const [model, mmproj] = files.map((file) => placedPath(file, placed));
  const value = {
    ...plan,
    files: {
      model: plan.files.model && { ...plan.files.model, path: model ?? null },
      mmproj: plan.files.mmproj && { ...plan.files.mmproj, path: mmproj ?? null },
    },
    engine: plan.engine && { ...plan.engine, args: engineArgs(deployment, placed) },
  };
  return { path, text: planText(value), reader: 'plan' };
}

/** Where a file of the model is, in that place. */
export function placedPath(
  file: Deployment['files'][number],
  { folderOf }: Pick<Placed, 'folderOf'>,
): string {
  return `${folderOf(file).replace(/\/$/, '')}/${file.name}`;
}
