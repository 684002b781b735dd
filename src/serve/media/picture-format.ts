/** What decodes a picture: libvips, or this project's own worker. */
export type PictureFormat =
  | { readonly decoder: 'sharp'; readonly name: string }
  | { readonly decoder: 'heic' | 'bmp'; readonly name: string }
  | { readonly decoder: null; readonly why: string };

const SEND = 'send PNG, JPEG or WebP';

const sharp = (name: string): PictureFormat => ({ decoder: 'sharp', name });
const none = (what: string): PictureFormat => ({ decoder: null, why: `it holds ${what}: ${SEND}` });

const SEQUENCE =
  'it holds an AVIF sequence: send a still, or the whole in `video_url` where the model takes films';

type Signature = { readonly at: number; readonly bytes: string; readonly is: PictureFormat };

/** Latin-1 text, so that every byte is one character. */
const SIGNATURES: readonly Signature[] = [
  { at: 0, bytes: '\x89PNG\r\n\x1a\n', is: sharp('PNG') },
  { at: 0, bytes: '\xff\xd8\xff', is: sharp('JPEG') },
  { at: 0, bytes: 'GIF87a', is: sharp('GIF') },
  { at: 0, bytes: 'GIF89a', is: sharp('GIF') },
  { at: 8, bytes: 'WEBPVP8', is: sharp('WebP') },
  { at: 0, bytes: 'II*\0', is: sharp('TIFF') },
  { at: 0, bytes: 'MM\0*', is: sharp('TIFF') },
  { at: 0, bytes: 'BM', is: { decoder: 'bmp', name: 'BMP' } },
  { at: 4, bytes: 'jP  ', is: none('JPEG 2000') },
  { at: 0, bytes: '\xff\x4f\xff\x51', is: none('JPEG 2000') },
  { at: 4, bytes: 'JXL ', is: none('JPEG XL') },
  { at: 0, bytes: '\xff\x0a', is: none('JPEG XL') },
  { at: 0, bytes: '8BPS', is: none('a Photoshop document') },
  { at: 0, bytes: 'II+\0', is: none('BigTIFF') },
  { at: 0, bytes: 'MM\0+', is: none('BigTIFF') },
  { at: 0, bytes: '\0\0\x01\0', is: none('an icon') },
];

const HEIC = /^(heic|heix|hevc|hevx|heim|heis|hevm|hevs)$/;
/** ISO/IEC 14496-12: the major brand, a version, then the compatible ones. */
const FIRST_BRAND = 8;
const COMPATIBLE = 16;
const MOST_BRANDS = 32;

/** What the first bytes say; what a client calls the file decides nothing. */
export function pictureFormat(head: Buffer): PictureFormat {
  const text = head.toString('latin1', 0, 64);
  const found = SIGNATURES.find(({ at, bytes }) => text.startsWith(bytes, at));
  if (found !== undefined) return found.is;
  if (text.startsWith('ftyp', 4)) return boxed(head);
  if (/^P[1-7]\s/.test(text)) return none('a Netpbm picture');
  return none('nothing that is known here');
}

/** AVIF and HEIC share a container, and `mif1` stands for either. */
function boxed(head: Buffer): PictureFormat {
  const end = Math.min(head.readUInt32BE(0), head.length, COMPATIBLE + 4 * MOST_BRANDS);
  const brands = [head.toString('latin1', FIRST_BRAND, FIRST_BRAND + 4)];
  for (let at = COMPATIBLE; at + 4 <= end; at += 4)
    brands.push(head.toString('latin1', at, at + 4));
  // libvips knows no file of this brand, whichever others it is compatible with.
  if (brands[0] === 'avis') return { decoder: null, why: SEQUENCE };
  const known = brands.find((brand) => /^avi[fs]$/.test(brand) || HEIC.test(brand));
  if (known === undefined) return none(`a picture of brand \`${brands[0]?.trim() ?? ''}\``);
  return HEIC.test(known) ? { decoder: 'heic', name: 'HEIC' } : sharp('AVIF');
}
