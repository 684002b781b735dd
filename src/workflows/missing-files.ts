import type { ModelFile } from '../contracts/model.ts';
import type { DeploymentPlan } from '../contracts/plan.ts';
import { MmdeployError } from '../errors.ts';
import { shellWord } from '../gguf/faults.ts';
import { hubFile } from '../plan/files.ts';

/** Where each missing file of a plan comes from, as commands that fetch or make it, and what to run then. */
export function missingFiles({ model: { id }, files }: DeploymentPlan): MmdeployError {
  const wanted = [files.model, files.mmproj].filter((file) => file !== null);
  const several = wanted.length > 1;
  const names = wanted.map(nameThere);
  const [model, mmproj] = names;
  const then = names.includes(null)
    ? 'then serve the files: `mmdeploy serve ./MODEL.gguf --mmproj ./MMPROJ.gguf`'
    : `then serve: \`mmdeploy serve ${model ?? ''}${mmproj === undefined ? '' : ` --mmproj ${mmproj ?? ''}`}\``;
  const steps = [
    ...wanted.flatMap(fetchStep),
    ...wanted.flatMap(({ make }) => (make === undefined ? [] : [`make it: \`${make.command}\``])),
    ...(names.includes(null)
      ? [`no usual GGUF of \`${id}\` is known: convert it with llama.cpp's convert_hf_to_gguf.py`]
      : []),
  ];
  return new MmdeployError(
    'file.missing',
    `the ${several ? 'files' : 'file'} of \`${id}\` ${several ? 'are' : 'is'} not on this machine`,
    { hints: [...new Set(steps), then] },
  );
}

function fetchStep({ path, source, make }: ModelFile): string[] {
  const file = path === null ? hubFile(source ?? make?.from ?? null) : null;
  return file === null ? [] : [`fetch it: \`curl -fLO ${file.url}\``];
}

/** How the file is named in a command once it is there; null where nobody knows one. */
function nameThere({ path, source, make }: ModelFile): string | null {
  if (path !== null) return shellWord(path);
  if (make !== undefined)
    return shellWord(make.output.includes('/') ? make.output : `./${make.output}`);
  const file = hubFile(source);
  return file === null ? null : `./${file.name}`;
}
