import { resolve } from 'node:path';
import type { EstimateInput, UnreadableInput } from '../contracts/estimate.ts';
import {
  parseAudioDescription,
  parseImageDescription,
  parseTextTokens,
  parseVideoDescription,
  textInput,
} from './describe-input.ts';
import type { Reader } from './read/index.ts';
import { walkPaths } from './walk.ts';

export type ScanRequest = {
  /** Files, folders and patterns. */
  readonly paths: readonly string[];
  /** `--image WxH[*N]`. */
  readonly images: readonly string[];
  /** `--audio SECONDSs[*N]`. */
  readonly audios: readonly string[];
  /** `--video SECONDSs@WxH[@FPS][*N]`. */
  readonly videos: readonly string[];
  readonly texts: readonly string[];
  readonly textTokens: readonly (string | number)[];
};

export type ScanContext = {
  readonly cwd: string;
  readonly reader: Reader;
  readonly signal: AbortSignal;
  /** Called now and then with the number of files done. */
  readonly progress: (done: number, total: number) => void;
};

export type Scan = {
  readonly inputs: readonly EstimateInput[];
  /** Files that were found, whether they could be read or not. */
  readonly files: number;
  readonly unreadable: readonly UnreadableInput[];
  readonly hidden: number;
};

const FILES_PER_BREATH = 256;

/** Reads what is to be counted, file by file. Throws `usage.invalid` for bad descriptions. */
export async function scanInputs(request: ScanRequest, context: ScanContext): Promise<Scan> {
  const described = [
    ...request.images.map(parseImageDescription),
    ...request.audios.map(parseAudioDescription),
    ...request.videos.map(parseVideoDescription),
    ...request.texts.map((text) => textInput('--text', text)),
    ...request.textTokens.map(parseTextTokens),
  ];
  const walk = await walkPaths(request.paths, context.cwd, context.signal);
  const inputs: EstimateInput[] = [];
  const unreadable = [...walk.unreadable];
  for (const [index, file] of walk.files.entries()) {
    if (index % FILES_PER_BREATH === 0) {
      context.progress(index, walk.files.length);
      await new Promise(setImmediate);
      context.signal.throwIfAborted();
    }
    const absolute = resolve(context.cwd, file.path);
    for (const found of await context.reader.read({ ...file, absolute })) {
      if ('reason' in found) unreadable.push(found);
      else inputs.push(found);
    }
  }
  return {
    inputs: [...inputs, ...described],
    files: walk.files.length,
    unreadable,
    hidden: walk.hidden,
  };
}
