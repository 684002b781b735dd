import type { Sharp } from 'sharp';
import { messageOf } from '../../errors.ts';
import { imageKind } from './image-kind.ts';

/** An image file made ready for llama-server, or why it cannot be. */
export type PreparedImage =
  | {
      readonly kind: 'ready';
      readonly mime: string;
      readonly bytes: Buffer;
      /** What was done to it, in words for the person; null for a file that is sent as it is. */
      readonly change: string | null;
    }
  | { readonly kind: 'no-image' }
  | { readonly kind: 'undecodable'; readonly format: string; readonly reason: string };

/**
 * llama-server reads PNG, JPEG, GIF and BMP and ignores EXIF. Whatever else sharp can decode, and every
 * picture that EXIF turns, is encoded anew and upright, so that the model sees what a person sees.
 */
export async function prepareImage(bytes: Buffer): Promise<PreparedImage> {
  const is = imageKind(bytes);
  if (is.kind === 'no-image') return is;
  if (is.kind === 'foreign') return reEncode(bytes, is.format, `${is.format}, sent as`);
  if (await isTurned(bytes)) {
    return reEncode(bytes, is.mime, 'turned upright as its EXIF says, sent as');
  }
  return { kind: 'ready', mime: is.mime, bytes, change: null };
}

/** A header that sharp cannot read says nothing of a rotation: the engine may read the file all the same. */
async function isTurned(bytes: Buffer): Promise<boolean> {
  try {
    const { default: sharp } = await import('sharp');
    return ((await sharp(bytes).metadata()).orientation ?? 1) > 1;
  } catch {
    return false;
  }
}

async function reEncode(bytes: Buffer, format: string, change: string): Promise<PreparedImage> {
  try {
    const { default: sharp } = await import('sharp');
    // A picture that is cut short is still shown by every viewer, and by llama-server.
    const picture = sharp(bytes, { failOn: 'none' });
    const { hasAlpha } = await picture.metadata();
    const { encoded, mime } = hasAlpha ? asPng(picture) : asJpeg(picture);
    const buffer = await encoded.toBuffer();
    const name = mime === 'image/png' ? 'PNG' : 'JPEG';
    return { kind: 'ready', mime, bytes: buffer, change: `${change} ${name}` };
  } catch (error) {
    const [reason = ''] = messageOf(error).split('\n');
    return { kind: 'undecodable', format, reason };
  }
}

function asPng(picture: Sharp): { encoded: Sharp; mime: string } {
  return { encoded: picture.autoOrient().png(), mime: 'image/png' };
}

/** Small text survives: no chroma subsampling, and a quality at which artefacts do not show. */
function asJpeg(picture: Sharp): { encoded: Sharp; mime: string } {
  const encoded = picture.autoOrient().jpeg({ quality: 95, chromaSubsampling: '4:4:4' });
  return { encoded, mime: 'image/jpeg' };
}
