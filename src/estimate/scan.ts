import { readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import type { EstimateInput, UnreadableInput } from '../contracts/estimate.ts';
import {
  imageInput,
  parseAudioDescription,
  parseImageDescription,
  parseTextTokens,
  parseVideoDescription,
  textInput,
} from './describe-input.ts';
import { readImageHeader } from './image-header.ts';
import type { FoundFile } from './walk.ts';
import { reasonOf, walkPaths } from './walk.ts';

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

const TEXTS = ['.txt', '.md', '.markdown', '.text'];
/** Counting these comes with their own rules; until then they are named, never passed over. */
const NOT_YET: Readonly<Record<string, readonly string[]>> = {
  audio: ['.wav', '.mp3', '.m4a', '.aac', '.ogg', '.oga', '.opus', '.flac', '.wma', '.aiff'],
  video: ['.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.mpg', '.mpeg', '.ts', '.wmv'],
  'a document': ['.pdf', '.doc', '.docx', '.ppt', '.pptx', '.odt', '.odp', '.epub', '.rtf'],
};
const MAX_TEXT_BYTES = 64 * 1024 * 1024;
const FILES_PER_BREATH = 256;

/** Reads what is to be counted: headers of images, texts in full. Throws `usage.invalid` for bad descriptions. */
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
    const read = await readInput(file, context.cwd);
    if ('reason' in read) unreadable.push(read);
    else inputs.push(read);
  }
  return {
    inputs: [...inputs, ...described],
    files: walk.files.length,
    unreadable,
    hidden: walk.hidden,
  };
}

async function readInput(file: FoundFile, cwd: string): Promise<EstimateInput | UnreadableInput> {
  const { path } = file;
  const extension = extname(path).toLowerCase();
  const fail = (reason: string): UnreadableInput => ({ path, reason });
  const later = Object.entries(NOT_YET).find(([, known]) => known.includes(extension))?.[0];
  if (later !== undefined) return fail(`${later} is not counted yet`);
  try {
    if (TEXTS.includes(extension)) return await readTextInput(file, cwd);
    const header = readImageHeader(resolve(cwd, path));
    if (header.kind === 'unreadable') return fail(header.reason);
    if (header.kind === 'not-an-image') return fail('neither an image nor a text file');
    const { width, height, turned, format } = header;
    return imageInput(path, { width, height, turned, format });
  } catch (error) {
    return fail(reasonOf(error));
  }
}

async function readTextInput(
  { path, bytes }: FoundFile,
  cwd: string,
): Promise<EstimateInput | UnreadableInput> {
  if (bytes > MAX_TEXT_BYTES) {
    return { path, reason: `text of more than ${MAX_TEXT_BYTES / 1024 / 1024} MiB` };
  }
  const content = await readFile(resolve(cwd, path));
  try {
    return textInput(path, new TextDecoder('utf-8', { fatal: true }).decode(content));
  } catch {
    return { path, reason: 'not UTF-8 text' };
  }
}
