import { hubFile } from '../../plan/files.ts';
import type { DeployedFile, Deployment, RenderedFile } from '../types.ts';
import { engineArgs, type Placed } from './argv.ts';
import { placedPath, placedPlan } from './placed-plan.ts';
import { shellWord } from './quote.ts';

/** On the host the files stay where they are, and clients connect to the engine itself. */
function onHost({ listen }: Deployment): Placed {
  return { ...listen, folderOf: ({ folder }) => folder };
}

export function hostArgs(deployment: Deployment): string[] {
  return engineArgs(deployment, onHost(deployment));
}

/** The plan that `mmdeploy serve` reads on the host itself. */
export function hostPlan(deployment: Deployment): RenderedFile {
  return placedPlan(deployment, 'plan.host.json', onHost(deployment));
}

export type HostFile = {
  readonly path: string;
  /** What brings it there, as one sentence for the person who reads that it is missing. */
  readonly remedy: string;
};

/** The model's files on the host, and where each comes from. */
export function hostFiles(deployment: Deployment): readonly HostFile[] {
  const { model, mmproj } = deployment.plan.files;
  const planned = [model, mmproj].filter((file) => file !== null);
  return deployment.files.map((file, index) => {
    const path = placedPath(file, onHost(deployment));
    return { path, remedy: remedy(file, path, planned[index]?.make?.command) };
  });
}

function remedy({ source }: DeployedFile, path: string, make: string | undefined): string {
  if (make !== undefined) return `make it: ${make}`;
  const published = hubFile(source);
  if (published === null) return 'put it there: nobody is known to publish it';
  return `fetch it: curl -fL --create-dirs -o ${shellWord(path)} ${shellWord(published.url)}`;
}
