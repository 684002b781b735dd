import type { ModelFile } from '../contracts/model.ts';
import type { Formats } from '../match/types.ts';

/** The two files of a plan; `mmproj` is null for a model without a projector. */
export type PlanFiles = { readonly model: ModelFile; readonly mmproj: ModelFile | null };

/** Name of a file of a profile that nobody publishes. */
export function ownFileName(id: string, role: 'model' | 'mmproj', format: string): string {
  return role === 'mmproj' ? `${id}-mmproj-${format}.gguf` : `${id}-${format}.gguf`;
}

/** What the engine is given: the path where there is one, else the file's name under `${MODELS_DIR}`. */
export function fileArgument(file: ModelFile, fallbackName: string): string {
  if (file.path !== null) return file.path;
  const name = (file.make?.output ?? file.source)?.split(/[/\\]/).pop();
  return `\${MODELS_DIR}/${name ?? fallbackName}`;
}

/** One line for each command that makes files of the plan which are not there. */
export function toMakeWarnings(files: PlanFiles, inFormats: Formats): string[] {
  const lines = new Map<string, string[]>();
  for (const role of ['model', 'mmproj'] as const) {
    const make = files[role]?.make;
    if (make === undefined) continue;
    const what =
      role === 'model'
        ? `the weights in ${inFormats.quant}`
        : `the projector in ${inFormats.encoderQuant ?? ''}`;
    const before = make.from.startsWith('hf:') ? ` (fetch ${make.from} first)` : '';
    lines.set(make.command, [...(lines.get(make.command) ?? []), `${what}${before}`]);
  }
  return [...lines].map(
    ([command, what]) => `still to be made: ${what.join(' and ')}: \`${command}\``,
  );
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
    if (file.make !== undefined) return [];
    const what = role === 'model' ? 'weights' : 'projector';
    return [
      `no published file of the ${what} is known: make or find one and name it ${fileArgument(file, named[role])}`,
    ];
  });
}

/** `hf:owner/repo/folder/file.gguf` as an address and the name that curl gives it; null for what is none. */
export function hubFile(source: string | null): { name: string; url: string } | null {
  const match = /^hf:([^/]+\/[^/]+)\/(.+)$/.exec(source ?? '');
  if (match === null) return null;
  const [, repository = '', file = ''] = match;
  const url = `https://huggingface.co/${repository}/resolve/main/${file}`;
  return { url, name: file.split('/').at(-1) ?? file };
}
