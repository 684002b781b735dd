import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { EstimateInput, UnreadableInput } from '../../contracts/estimate.ts';
import type { RunCommand } from '../../process/run.ts';
import { imageInput, textInput } from '../describe-input.ts';
import { reasonOf } from '../walk.ts';
import { contentOf } from './content.ts';
import { headerOfFile } from './image-header.ts';
import type { OpenFile } from './open-file.ts';
import { openFile } from './open-file.ts';

export type ReaderOptions = {
  /** Prove that a file decodes, not only that its header is sound. */
  readonly decode: boolean;
  /** Dots per inch that pages of a PDF are taken at. */
  readonly pdfDpi: number;
  /** For ffprobe, which knows the containers that are not read here. */
  readonly run: RunCommand;
  readonly signal: AbortSignal;
};

/** A regular file, as it was found. */
export type ReadableFile = {
  /** As the user wrote it: what reports call it. */
  readonly path: string;
  readonly absolute: string;
  readonly bytes: number;
};

export type ReadResult = readonly (EstimateInput | UnreadableInput)[];

export type Reader = {
  /** What one file holds, or why it cannot be told. Never throws for the file's sake, only when aborted. */
  readonly read: (file: ReadableFile) => Promise<ReadResult>;
};

/** A page of A4 comes to 1240 x 1754 pixels, which shows print well enough to be read. */
export const DEFAULT_PDF_DPI = 150;
const MAX_TEXT_BYTES = 64 * 1024 * 1024;

/** Reads files by what they hold, whatever they are called; memory stays bounded for any size of file. */
export function createReader(options: ReaderOptions): Reader {
  return {
    read: async (file) => {
      try {
        const found = atOnce(file);
        return typeof found === 'string' ? await ofText(file) : found;
      } catch (error) {
        options.signal.throwIfAborted();
        return unreadable(file, reasonOf(error));
      }
    },
  };
}

/** Has to be read in full. */
type Later = 'text';

/** What the first bytes settle: nearly everything, without waiting. */
function atOnce(file: ReadableFile): ReadResult | Later {
  const open = openFile(file.absolute);
  try {
    return ofContent(file, open);
  } finally {
    open.close();
  }
}

function ofContent(file: ReadableFile, open: OpenFile): ReadResult | Later {
  const content = contentOf(open.head);
  switch (content.kind) {
    case 'image':
      return ofImage(file, open);
    case 'svg':
      return unreadable(file, 'SVG has no pixels: render it to PNG');
    case 'pdf':
      return unreadable(file, 'a document is not counted yet');
    case 'media':
      return unreadable(file, 'sound and film are not counted yet');
    case 'other':
      return unreadable(file, content.what);
    case 'text': {
      const claimed = MEDIA_NAMES.test(extname(file.path));
      return claimed
        ? unreadable(file, `its name says ${extname(file.path)}, and it holds text`)
        : 'text';
    }
  }
}

function ofImage(file: ReadableFile, open: OpenFile): ReadResult {
  const header = headerOfFile(open);
  if (header.kind === 'unreadable') return unreadable(file, header.reason);
  if (header.kind === 'not-an-image')
    return unreadable(file, TEXT_NAMES.test(extname(file.path)) ? 'not UTF-8 text' : UNKNOWN);
  const { width, height, turned, format } = header;
  return [imageInput(file.path, { width, height, turned, format })];
}

const UNKNOWN = 'neither an image, a sound, a film, a PDF nor a text';
const TEXT_NAMES = /^\.(txt|text|md|markdown|csv|json|html?|xml)$/i;
/** A text in such a name is an error page or a placeholder, and nobody meant to send it. */
const MEDIA_NAMES =
  /^\.(jpe?g|png|gif|webp|bmp|tiff?|avif|hei[cf]|jp2|wav|mp3|m4a|aac|og[ga]|opus|flac|wma|aiff|mp4|m4v|mov|mkv|webm|avi|mpe?g|wmv|pdf)$/i;

async function ofText({ path, absolute, bytes }: ReadableFile): Promise<ReadResult> {
  if (bytes > MAX_TEXT_BYTES) {
    return [{ path, reason: `text of more than ${MAX_TEXT_BYTES / 1024 / 1024} MiB` }];
  }
  const content = await readFile(absolute);
  try {
    return [textInput(path, new TextDecoder('utf-8', { fatal: true }).decode(content))];
  } catch {
    return [{ path, reason: 'not UTF-8 text' }];
  }
}

function unreadable({ path }: ReadableFile, reason: string): ReadResult {
  return [{ path, reason }];
}
