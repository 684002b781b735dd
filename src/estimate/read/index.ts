import { extname } from 'node:path';
import { imageInput } from '../describe-input.ts';
import { reasonOf } from '../walk.ts';
import { cutShort } from './complete.ts';
import type { Content } from './content.ts';
import { contentOf } from './content.ts';
import { createMediaProof, provePicture } from './decode.ts';
import { createFfprobe } from './ffprobe.ts';
import { readFlac } from './flac.ts';
import { framesOf } from './frames.ts';
import { headerOfFile } from './image-header.ts';
import type { OpenFile } from './open-file.ts';
import { openFile } from './open-file.ts';
import { createPdfReader } from './pdf.ts';
import { readSoundOrFilm } from './sound-film.ts';
import { NOT_TEXT, readText } from './text-file.ts';
import type { ReadableFile, ReaderOptions, ReadFile, ReadResult } from './types.ts';
import { unreadable } from './types.ts';

export type Reader = {
  /**
   * What one file holds, or why it cannot be told: one entry of most files, one for each page and one
   * for the text of a PDF. Never throws for the file's sake, only when aborted.
   */
  readonly read: ReadFile;
};

/** A page of A4 comes to 1241 x 1754 pixels, which shows print well enough to be read. */
export const DEFAULT_PDF_DPI = 150;

/** Reads files by what they hold, whatever they are called; memory stays bounded for any size of file. */
export function createReader(options: ReaderOptions): Reader {
  const { signal } = options;
  const finish = createFinish(options);
  return {
    read: async (file) => {
      try {
        const found = atOnce(file);
        if ('kind' in found) return await finish(file, found);
        const sound = !options.decode || found.some((entry) => 'reason' in entry);
        return sound ? found : await provePicture(file, found);
      } catch (error) {
        signal.throwIfAborted();
        return unreadable(file, reasonOf(error));
      }
    },
  };
}

/** What takes more than a look at the first bytes. */
type Unfinished = Extract<Content, { readonly kind: 'text' | 'pdf' | 'media' }>;

function createFinish({ run, signal, pdfDpi, decode }: ReaderOptions) {
  const readPdf = createPdfReader(pdfDpi, decode, signal);
  const probe = createFfprobe(run, signal);
  const prove = createMediaProof(run, signal);
  return async (file: ReadableFile, content: Unfinished): Promise<ReadResult> => {
    switch (content.kind) {
      case 'text':
        return readText(file);
      case 'pdf':
        return readPdf(file);
      case 'media': {
        const { format, known } = content;
        const found = await (format === 'flac'
          ? readFlac(file)
          : known
            ? readSoundOrFilm(file, format, signal)
            : probe(file, format));
        return decode && !found.some((entry) => 'reason' in entry) ? prove(file, found) : found;
      }
    }
  };
}

/** What the first bytes settle: nearly everything, without waiting. */
function atOnce(file: ReadableFile): ReadResult | Unfinished {
  const open = openFile(file.absolute);
  try {
    return ofContent(file, open);
  } finally {
    open.close();
  }
}

function ofContent(file: ReadableFile, open: OpenFile): ReadResult | Unfinished {
  const content = contentOf(open.head);
  switch (content.kind) {
    case 'image':
      return ofImage(file, open);
    case 'svg':
      return unreadable(file, 'SVG has no pixels: render it to PNG');
    case 'other':
      return unreadable(file, content.what);
    case 'pdf':
    case 'media': {
      const format = content.kind === 'pdf' ? 'pdf' : content.format;
      const cut = cutShort(open, format, file.bytes);
      return cut === null ? content : unreadable(file, cut);
    }
    case 'text': {
      const extension = extname(file.path);
      return MEDIA_NAMES.test(extension)
        ? unreadable(file, `its name says ${extension}, and it holds text`)
        : content;
    }
  }
}

function ofImage(file: ReadableFile, open: OpenFile): ReadResult {
  const header = headerOfFile(open);
  switch (header.kind) {
    case 'image': {
      const { width, height, turned, format } = header;
      const frames = framesOf(open, format);
      return [imageInput(file.path, { width, height, turned, format, frames })];
    }
    case 'unreadable':
      return unreadable(file, header.reason);
    case 'not-an-image':
      return unreadable(file, TEXT_NAMES.test(extname(file.path)) ? NOT_TEXT : UNKNOWN);
  }
}

const UNKNOWN = 'neither an image, a sound, a film, a PDF nor a text';
const TEXT_NAMES = /^\.(txt|text|md|markdown|csv|json|html?|xml)$/i;
/** A text in such a name is an error page or a placeholder, and nobody meant to send it. */
const MEDIA_NAMES =
  /^\.(jpe?g|png|gif|webp|bmp|tiff?|avif|hei[cf]|jp2|wav|mp3|m4a|aac|og[ga]|opus|flac|wma|aiff|mp4|m4v|mov|mkv|webm|avi|mpe?g|wmv|pdf)$/i;
