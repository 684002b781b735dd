import type { PDFiumDocument } from '@hyzyla/pdfium';
import type { Job, Picture } from './jobs.ts';
import { JobError, withinPixels } from './jobs.ts';

type PageJob = Extract<Job, { readonly kind: 'pdf-page' }>;

const POINTS_PER_INCH = 72;

type PDFium = { readonly loadDocument: (bytes: Uint8Array) => Promise<PDFiumDocument> };

let library: Promise<PDFium> | null = null;

export function pdfPages(file: Uint8Array): Promise<number> {
  return withDocument(file, (document) => Promise.resolve(document.getPageCount()));
}

/** One page as it is printed: on white paper, forms filled in, turned as it is read. */
export function drawPdfPage({ file, index, dpi, maxPixels }: PageJob): Promise<Picture> {
  return withDocument(file, async (document) => {
    const page = document.getPage(index);
    const { originalWidth, originalHeight } = page.getOriginalSize();
    const scale = dpi / POINTS_PER_INCH;
    withinPixels(Math.ceil(originalWidth * scale), Math.ceil(originalHeight * scale), maxPixels);
    // The bytes come in the order red, green, blue, whatever the colour space is called.
    const { width, height, data } = await page.render({
      ...{ scale, render: 'bitmap', colorSpace: 'BGRA', renderFormFields: true },
    });
    return { width, height, channels: 4, data };
  });
}

async function withDocument<Result>(
  file: Uint8Array,
  use: (document: PDFiumDocument) => Promise<Result>,
): Promise<Result> {
  library ??= import('@hyzyla/pdfium').then(({ PDFiumLibrary }) => PDFiumLibrary.init());
  const pdfium = await library;
  const document = await pdfium.loadDocument(file).catch((error: unknown) => {
    throw new JobError({ kind: 'damaged', why: reasonOf(error) });
  });
  try {
    return await use(document);
  } finally {
    document.destroy();
  }
}

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : '';
  if (/password/i.test(message)) return 'the PDF opens with a password only';
  if (/security/i.test(message)) return 'the PDF is encrypted in a way that PDFium does not know';
  return 'the PDF is damaged';
}
