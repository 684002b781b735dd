import type { DeploymentPlan } from '../contracts/plan.ts';
import { MmdeployError } from '../errors.ts';
import { filesToGet } from '../plan/missing-files.ts';

/** Where each missing file of a plan comes from, as commands that fetch or make it, and what to run then. */
export function missingFiles({ model: { id }, files }: DeploymentPlan): MmdeployError {
  const wanted = [files.model, files.mmproj].filter((file) => file !== null);
  const several = wanted.length > 1;
  const { fetch, make, names } = filesToGet(wanted);
  const [model, mmproj] = names;
  const then = names.includes(null)
    ? 'then serve the files: `mmdeploy serve ./MODEL.gguf --mmproj ./MMPROJ.gguf`'
    : `then serve: \`mmdeploy serve ${model ?? ''}${mmproj === undefined ? '' : ` --mmproj ${mmproj ?? ''}`}\``;
  return new MmdeployError(
    'file.missing',
    `the ${several ? 'files' : 'file'} of \`${id}\` ${several ? 'are' : 'is'} not on this machine`,
    {
      hints: [
        ...fetch.map((command) => `fetch it: \`${command}\``),
        ...make.map((command) => `make it: \`${command}\``),
        ...(names.includes(null)
          ? [
              `no usual GGUF of \`${id}\` is known: convert it with llama.cpp's convert_hf_to_gguf.py`,
            ]
          : []),
        then,
      ],
    },
  );
}
