import type { default as SharpLibrary, Sharp } from 'sharp';
import type { ImageSize } from '../../tokens/rules/define.ts';
import { messageOf } from '../../errors.ts';
import { checkPixels, refused } from './limits.ts';

/** 8-bit RGB, row by row without padding: what every engine makes of a picture first. */
export type Pixels = ImageSize & { readonly rgb: Buffer };

/** Samples of a decoder of our own. */
export type RawPicture = ImageSize & {
  readonly data: Uint8Array;
  readonly channels: 3 | 4;
};

/** The formats that are decoded here; libvips' other loaders (SVG, PDF …) stay shut. */
const LOADERS = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff', 'Heif'].map(
  (name) => `VipsForeignLoad${name}`,
);
/** Fully transparent pixels have whatever colour is left in the file, often black under black text. */
const PAPER = { r: 255, g: 255, b: 255 };

let library: Promise<typeof SharpLibrary> | null = null;

/** libvips, with nothing but the loaders that are needed and without its cache of what was opened. */
function vips(): Promise<typeof SharpLibrary> {
  library ??= import('sharp').then(({ default: sharp }) => {
    sharp.cache(false);
    sharp.block({ operation: ['VipsForeignLoad'] });
    sharp.unblock({ operation: LOADERS });
    return sharp;
  });
  return library;
}

/** Width and height as the header says them, upright. Throws 400 and 413 before a pixel is decoded. */
export async function pictureSize(place: string, file: Buffer, limit: number): Promise<ImageSize> {
  const sharp = await vips();
  try {
    const { autoOrient } = await sharp(file, { limitInputPixels: false }).metadata();
    checkPixels(place, autoOrient, limit);
    return { width: autoOrient.width, height: autoOrient.height };
  } catch (error) {
    throw damaged(place, error);
  }
}

/** Pictures in a GIF or WebP, pages of a TIFF; 1 where the header cannot be read. */
export async function pictureCount(file: Buffer): Promise<number> {
  const sharp = await vips();
  const header = sharp(file, { limitInputPixels: false }).metadata();
  return header.then(({ pages }) => pages ?? 1).catch(() => 1);
}

/**
 * Decodes a picture of this size, once: upright, on white paper, in sRGB, at the size that is wanted. Of
 * an animation the first frame, of a TIFF the first page. Truncated or damaged data are a 400.
 */
export async function decodePicture(
  place: string,
  file: Buffer,
  size: ImageSize,
  wanted: ImageSize,
): Promise<Pixels> {
  const sharp = await vips();
  const options = {
    failOn: 'error',
    limitInputPixels: size.width * size.height,
    sequentialRead: true,
  } as const;
  return rgbOf(place, sharp(file, options).autoOrient(), size, wanted);
}

/** The same of what another decoder has made: it stands upright already. */
export async function convertPicture(
  place: string,
  { data, channels, ...size }: RawPicture,
  wanted: ImageSize,
): Promise<Pixels> {
  const sharp = await vips();
  const raw = { ...size, channels };
  return rgbOf(place, sharp(data, { raw, limitInputPixels: false }), size, wanted);
}

async function rgbOf(
  place: string,
  picture: Sharp,
  size: ImageSize,
  { width, height }: ImageSize,
): Promise<Pixels> {
  const same = size.width === width && size.height === height;
  const fitted = same ? picture : picture.resize(width, height, { fit: 'fill' });
  try {
    const { data, info } = await fitted
      .flatten({ background: PAPER })
      .toColourspace('srgb')
      .removeAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels === 3) return { width: info.width, height: info.height, rgb: data };
    throw new Error(`${info.channels} channels`);
  } catch (error) {
    throw damaged(place, error);
  }
}

/**
 * A PNG that is not compressed. Lossless, so the file holds the pixels that its key was made of; and of
 * what llama.cpp reads, the fastest to write and to read (a noisy picture of 1024 x 768 on 2 cores, build
 * 11669: 4 ms and 5 ms; as JPEG of quality 90 14 and 10, as compressed PNG 23 and 17). It is large, on a
 * local disk that is bounded by bytes.
 */
export async function encodePicture({ width, height, rgb }: Pixels): Promise<Buffer> {
  const sharp = await vips();
  const raw = { width, height, channels: 3 } as const;
  return sharp(rgb, { raw, limitInputPixels: false }).png({ compressionLevel: 0 }).toBuffer();
}

function damaged(place: string, error: unknown): Error {
  if (error instanceof Error && error.name === 'GatewayError') return error;
  const [first = ''] = messageOf(error).trim().split('\n');
  return refused(place, `the picture does not decode: ${first}`);
}
