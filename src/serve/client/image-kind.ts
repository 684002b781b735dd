/** How an image file is sent: by what it is, whatever its name says. */
export type ImageKind =
  | { readonly kind: 'sendable'; readonly mime: string }
  /** An image that llama-server loses, misreads or refuses: it has to be sent as another format. */
  | { readonly kind: 'foreign'; readonly format: string }
  | { readonly kind: 'no-image' };

type Signature = { readonly at: number; readonly bytes: string; readonly is: ImageKind };

const sendable = (mime: string): ImageKind => ({ kind: 'sendable', mime });
const foreign = (format: string): ImageKind => ({ kind: 'foreign', format });

/** Latin-1 text, so that every byte is one character. */
const SIGNATURES: readonly Signature[] = [
  { at: 0, bytes: '\x89PNG\r\n\x1a\n', is: sendable('image/png') },
  { at: 0, bytes: '\xff\xd8\xff', is: sendable('image/jpeg') },
  { at: 0, bytes: 'GIF8', is: sendable('image/gif') },
  { at: 0, bytes: 'BM', is: sendable('image/bmp') },
  // Only an engine with ffmpeg in its PATH reads it, and nobody asks the engine first.
  { at: 8, bytes: 'WEBP', is: foreign('WebP') },
  { at: 0, bytes: 'II*\0', is: foreign('TIFF') },
  { at: 0, bytes: 'MM\0*', is: foreign('TIFF') },
  { at: 4, bytes: 'jP  ', is: foreign('JPEG 2000') },
  { at: 4, bytes: 'ftypavi', is: foreign('AVIF') },
  { at: 4, bytes: 'ftyphe', is: foreign('HEIC') },
  { at: 4, bytes: 'ftypmif1', is: foreign('HEIC') },
];

/** How far into a file the `<svg` may stand behind an XML declaration and comments. */
const SVG_WITHIN = 1024;

/** What the first bytes of a file say that it is. */
export function imageKind(head: Buffer): ImageKind {
  const text = head.toString('latin1', 0, SVG_WITHIN);
  const found = SIGNATURES.find(({ at, bytes }) => text.startsWith(bytes, at));
  if (found !== undefined) return found.is;
  return /^(\xef\xbb\xbf)?\s*<(\?xml[^]*<svg|svg)\b/.test(text)
    ? foreign('SVG')
    : { kind: 'no-image' };
}
