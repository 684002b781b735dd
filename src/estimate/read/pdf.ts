import { readFile } from 'node:fs/promises';
import type { PDFiumDocument, PDFiumPage } from '@hyzyla/pdfium';
import type { EstimateInput, UnreadableInput } from '../../contracts/estimate.ts';
import { imageInput, textInput } from '../describe-input.ts';
import type { ReadableFile, ReadFile, ReadResult } from './types.ts';
import { unreadable } from './types.ts';

const POINTS_PER_INCH = 72;
/** PDFium takes a document as a whole, into memory of its own. */
const MAX_PDF_BYTES = 256 * 1024 * 1024;
/** The package closes a page only after it has drawn it: pages that were only read are freed with PDFium itself. */
const MAX_OPEN_PAGES = 256;
const PROOF_PIXELS = 32;

type PDFium = {
  readonly loadDocument: (bytes: Uint8Array) => Promise<PDFiumDocument>;
  readonly destroy: () => void;
};
type Library = { readonly pdfium: PDFium; openPages: number };

/**
 * Pages of a PDF as pictures of `dpi`, and the text of all of them: what is sent where a model takes
 * documents by both. `decode` draws every page once, small.
 */
export function createPdfReader(dpi: number, decode: boolean, signal: AbortSignal): ReadFile {
  let library: Library | null = null;
  const fresh = async (): Promise<Library> => {
    library?.pdfium.destroy();
    library = null;
    const { PDFiumLibrary } = await import('@hyzyla/pdfium');
    return (library = { pdfium: await PDFiumLibrary.init(), openPages: 0 });
  };

  /** Pages from `first` on, until there are no more or PDFium has to be replaced. */
  const somePages = async (bytes: Uint8Array, first: number, pages: Pages): Promise<number> => {
    const using = library === null || library.openPages >= MAX_OPEN_PAGES ? await fresh() : library;
    const document = await using.pdfium.loadDocument(bytes);
    try {
      const last = Math.min(document.getPageCount(), first + MAX_OPEN_PAGES - using.openPages);
      for (let index = first; index < last; index++) {
        signal.throwIfAborted();
        using.openPages += 1;
        await readPage(document, index, pages, decode);
      }
      return last < document.getPageCount() ? last : Number.POSITIVE_INFINITY;
    } finally {
      document.destroy();
    }
  };

  return async (file) => {
    if (file.bytes > MAX_PDF_BYTES) {
      return unreadable(file, `a PDF of more than ${MAX_PDF_BYTES / 1024 / 1024} MiB`);
    }
    const pages: Pages = { file, dpi, found: [], texts: [] };
    try {
      const bytes = await readFile(file.absolute);
      for (let next = 0; Number.isFinite(next);) next = await somePages(bytes, next, pages);
    } catch (error) {
      signal.throwIfAborted();
      // What is left of PDFium after a fault is not to be trusted.
      library = null;
      return unreadable(file, reasonOf(error));
    }
    return resultOf(pages);
  };
}

type Pages = {
  readonly file: ReadableFile;
  readonly dpi: number;
  readonly found: (EstimateInput | UnreadableInput)[];
  readonly texts: string[];
};

async function readPage(
  document: PDFiumDocument,
  index: number,
  { file, dpi, found, texts }: Pages,
  decode: boolean,
): Promise<void> {
  const page = document.getPage(index);
  const name = `${file.path}#page=${index + 1}`;
  const { originalWidth, originalHeight } = page.getOriginalSize();
  const [width, height] = [pixels(originalWidth, dpi), pixels(originalHeight, dpi)];
  try {
    if (!(width > 0 && height > 0)) throw new Error('a page of no size');
    texts.push(page.getText());
    if (decode) await draw(page);
    const size = { width, height, turned: false, format: 'png' };
    found.push(imageInput(name, { ...size, document: file.path }));
  } catch {
    found.push({ path: name, reason: 'the page is damaged' });
  }
}

/** Poppler's `pdftoppm` rounds up as well. */
function pixels(points: number, dpi: number): number {
  // 612 points at 72 dpi are 612 pixels, whatever the last bit of a float says.
  return Math.ceil(Math.round((points / POINTS_PER_INCH) * dpi * 1e3) / 1e3);
}

async function draw(page: PDFiumPage): Promise<void> {
  await page.render({ width: PROOF_PIXELS, height: PROOF_PIXELS, scale: 1, render: 'bitmap' });
}

function resultOf({ file, found, texts }: Pages): ReadResult {
  if (found.length === 0) return unreadable(file, 'a PDF without pages');
  const text = texts.join('\n').replaceAll('\r\n', '\n').trim();
  return text === '' ? found : [...found, textInput(`${file.path}#text`, text, file.path)];
}

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : '';
  if (/password/i.test(message)) return 'encrypted: it opens with a password only';
  if (/security/i.test(message)) return 'encrypted in a way that PDFium does not know';
  return 'damaged: PDFium cannot open it';
}
