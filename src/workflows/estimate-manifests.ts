import { MmdeployError } from '../errors.ts';
import type { ManifestFile, ManifestSources } from '../estimate/manifest/entries.ts';
import { remotePolicy } from '../estimate/manifest/remote.ts';
import type { Context } from './context.ts';
import type { EstimateRequest } from './estimate-request.ts';

/** Stdin among the paths: a list of them. */
const STDIN = '-';

/** The manifests that were asked for, and the list on stdin. Throws `usage.invalid`. */
export function manifestsOf(request: EstimateRequest, { stdin }: Context): ManifestSources {
  const list = request.paths.filter((path) => path === STDIN);
  const files: ManifestFile[] = [
    ...list.map((path) => ({ path, format: 'list' as const })),
    ...request.manifests.map((path) => ({ path, format: null })),
  ];
  const piped = files.filter(({ path }) => path === STDIN).length;
  if (piped > 1) throw invalid('`-` more than once: stdin can be read one time', LIST);
  if (piped === 1 && stdin === null)
    throw invalid('`-`: stdin is a terminal, nothing is piped', LIST);
  if (request.nul && list.length === 0) throw invalid('`--null` is for a list on stdin (`-`)', NUL);
  return {
    files,
    separator: request.nul ? '\0' : '\n',
    remote: remotePolicy(request.allowRemote),
    wholePictures: request.decode || request.dedupe,
    stdin: () => {
      if (stdin === null) throw new Error('stdin was checked before');
      return stdin();
    },
  };
}

/** Paths other than stdin. */
export function filePaths({ paths }: EstimateRequest): readonly string[] {
  return paths.filter((path) => path !== STDIN);
}

const LIST = "as in `find photos -name '*.jpg' | mmdeploy estimate - --model gpt-4o`";
const NUL = 'as in `find photos -print0 | mmdeploy estimate - --null --model gpt-4o`';

function invalid(message: string, hint: string): MmdeployError {
  return new MmdeployError('usage.invalid', message, { hints: [hint] });
}
