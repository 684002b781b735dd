import type { ModelFile } from '../contracts/model.ts';

/** The two files of a plan; `mmproj` is null for a model without a projector. */
export type PlanFiles = { readonly model: ModelFile; readonly mmproj: ModelFile | null };

/** What the engine is given: the path where there is one, else the file's name under `${MODELS_DIR}`. */
export function fileArgument(file: ModelFile, fallbackName: string): string {
  if (file.path !== null) return file.path;
  const name = file.source?.split('/').pop();
  return `\${MODELS_DIR}/${name ?? fallbackName}`;
}
