import { DEFAULT_PDF_DPI } from '../../estimate/read/index.ts';
import { inThread } from './in-thread.ts';
import { overLimit, refused } from './limits.ts';
import type { Made, SentFile, Workshop } from './made.ts';
import { makeOfRaw } from './pictures.ts';

/** The pages of a PDF as pictures, at the resolution that estimates take them at. */
export async function* makePages({ place, bytes }: SentFile, shop: Workshop): AsyncGenerator<Made> {
  const { maxPdfPages, maxImagePixels } = shop.limits;
  const pages = await inThread(place, { kind: 'pdf-pages', file: bytes }, shop);
  if (pages === 0) throw refused(place, 'a PDF without pages');
  if (pages > maxPdfPages) throw overLimit(place, `${pages} pages`, maxPdfPages, '--max-pdf-pages');
  for (let index = 0; index < pages; index++) {
    const page = { kind: 'pdf-page', file: bytes, index, dpi: DEFAULT_PDF_DPI } as const;
    const drawn = await inThread(place, { ...page, maxPixels: maxImagePixels }, shop);
    yield await makeOfRaw(place, drawn, shop);
  }
}
