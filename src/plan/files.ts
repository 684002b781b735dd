import type { ModelFile } from '../contracts/model.ts';

/** The two files of a plan; `mmproj` is null for a model without a projector. */
export type PlanFiles = { readonly model: ModelFile; readonly mmproj: ModelFile | null };

/** What the engine is given: the path where there is one, else the file's name under `${MODELS_DIR}`. */
export function fileArgument(file: ModelFile, fallbackName: string): string {
  if (file.path !== null) return file.path;
  const name = file.source?.split('/').pop();
  return `\${MODELS_DIR}/${name ?? fallbackName}`;
}

/**
 * One line for each file of which neither a path nor a published name is known: the command that is
 * printed names a place under `${MODELS_DIR}`, and something has to be put there first.
 */
export function unknownFileWarnings(
  files: PlanFiles,
  named: { readonly model: string; readonly mmproj: string },
): string[] {
  return (['model', 'mmproj'] as const).flatMap((role) => {
    const file = files[role];
    if (file === null || file.path !== null || file.source !== null) return [];
    const what = role === 'model' ? 'weights' : 'projector';
    return [
      `no published file of the ${what} is known: make or find one and name it ${fileArgument(file, named[role])}`,
    ];
  });
}
