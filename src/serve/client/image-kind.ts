/** How an image file is sent: by what it is, whatever its name says. */
export type ImageKind =
  | { readonly kind: 'sendable'; readonly mime: string }
  /** An image that llama-server loses, misreads or refuses: sending it would be a wrong answer. */
  | { readonly kind: 'unsupported'; readonly format: string }
  | { readonly kind: 'no-image' };

type Signature = { readonly at: number; readonly bytes: string; readonly is: ImageKind };

const sendable = (mime: string): ImageKind => ({ kind: 'sendable', mime });
const unsupported = (format: string): ImageKind => ({ kind: 'unsupported', format });

/** Latin-1 text, so that every byte is one character. */
const SIGNATURES: readonly Signature[] = [
  { at: 0, bytes: '\x89PNG\r\n\x1a\n', is: sendable('image/png') },
  { at: 0, bytes: '\xff\xd8\xff', is: sendable('image/jpeg') },
  { at: 0, bytes: 'GIF8', is: sendable('image/gif') },
  { at: 0, bytes: 'BM', is: sendable('image/bmp') },
  { at: 8, bytes: 'WEBP', is: sendable('image/webp') },
  { at: 0, bytes: 'II*\0', is: unsupported('TIFF') },
  { at: 0, bytes: 'MM\0*', is: unsupported('TIFF') },
  { at: 4, bytes: 'jP  ', is: unsupported('JPEG 2000') },
  { at: 4, bytes: 'ftypavi', is: unsupported('AVIF') },
  { at: 4, bytes: 'ftyphe', is: unsupported('HEIC') },
  { at: 4, bytes: 'ftypmif1', is: unsupported('HEIC') },
];

/** What the first bytes of a file say that it is. */
export function imageKind(head: Buffer): ImageKind {
  const text = head.toString('latin1', 0, 32);
  const found = SIGNATURES.find(({ at, bytes }) => text.startsWith(bytes, at));
  return found?.is ?? { kind: 'no-image' };
}
