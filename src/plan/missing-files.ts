import type { ModelFile } from '../contracts/model.ts';
import { shellWord } from '../gguf/faults.ts';
import { hubFile } from './files.ts';

export type FilesToGet = {
  /** Commands that fetch and make the files that are not here, to be run one after the other. */
  readonly fetch: readonly string[];
  readonly make: readonly string[];
  /** How each file is named in a command once it is there; null where nobody knows one. */
  readonly names: readonly (string | null)[];
};

/** Where the files of a plan come from. */
export function filesToGet(files: readonly ModelFile[]): FilesToGet {
  const unique = (commands: readonly string[]) => [...new Set(commands)];
  return {
    fetch: unique(files.flatMap(fetchCommand)),
    make: unique(files.flatMap(({ make }) => (make === undefined ? [] : [make.command]))),
    names: files.map(nameThere),
  };
}

function fetchCommand({ path, source, make }: ModelFile): string[] {
  const file = path === null ? hubFile(source ?? make?.from ?? null) : null;
  return file === null ? [] : [`curl -fLO ${file.url}`];
}

function nameThere({ path, source, make }: ModelFile): string | null {
  if (path !== null) return shellWord(path);
  if (make !== undefined) {
    return shellWord(make.output.includes('/') ? make.output : `./${make.output}`);
  }
  const file = hubFile(source);
  return file === null ? null : `./${file.name}`;
}
