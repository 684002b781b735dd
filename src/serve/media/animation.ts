import { pictureCount } from './decode-picture.ts';

/** A PNG says so before its first pixels, an AVIF in its brands. */
const HEAD_BYTES = 4096;

/** What moves in a picture's format; null: it does not. */
export async function animationFormat(
  file: Buffer,
): Promise<'gif' | 'apng' | 'avif' | 'webp' | null> {
  const head = file.toString('latin1', 0, HEAD_BYTES);
  if (head.startsWith('\x89PNG')) {
    const control = head.indexOf('acTL');
    const pixels = head.indexOf('IDAT');
    return control !== -1 && (pixels === -1 || control < pixels) ? 'apng' : null;
  }
  if (head.startsWith('ftyp', 4)) return head.slice(8, 64).includes('avis') ? 'avif' : null;
  const format = head.startsWith('GIF8') ? 'gif' : head.startsWith('WEBP', 8) ? 'webp' : null;
  return format !== null && (await pictureCount(file)) > 1 ? format : null;
}
