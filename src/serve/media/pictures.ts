import { MmdeployError } from '../../errors.ts';
import type { ImageSize } from '../../tokens/rules/define.ts';
import { convertPicture, decodePicture, pictureSize } from './decode-picture.ts';
import type { RawPicture } from './decode-picture.ts';
import { inThread } from './in-thread.ts';
import { checkPixels, refused } from './limits.ts';
import type { Made, SentFile, Workshop } from './made.ts';
import { madePicture } from './made.ts';
import { pictureFormat } from './picture-format.ts';
import { shrunkSize } from './shrink.ts';

/** A picture of any format that is decoded here, at the size that the model sees. */
export async function makePicture({ place, bytes }: SentFile, shop: Workshop): Promise<Made> {
  const format = pictureFormat(bytes);
  if (format.decoder === null) throw refused(place, format.why);
  const { maxImagePixels: maxPixels } = shop.limits;
  if (format.decoder !== 'sharp') {
    const job = { kind: format.decoder, file: bytes, maxPixels } as const;
    return makeOfRaw(place, await inThread(place, job, shop), shop);
  }
  const size = await pictureSize(place, bytes, maxPixels);
  const wanted = wantedSize(place, size, shop);
  const pixels = await shop.gate.run(size.width * size.height, shop.signal, () =>
    decodePicture(place, bytes, size, wanted),
  );
  return madePicture(pixels);
}

/** A picture that is decoded already: a page, a frame, a format of a decoder of our own. */
export async function makeOfRaw(place: string, raw: RawPicture, shop: Workshop): Promise<Made> {
  checkPixels(place, raw, shop.limits.maxImagePixels);
  const wanted = wantedSize(place, raw, shop);
  const pixels = await shop.gate.run(raw.width * raw.height, shop.signal, () =>
    convertPicture(place, raw, wanted),
  );
  return madePicture(pixels);
}

/** Throws 400 for a picture that the model's own processor refuses, a strip for example. */
export function wantedSize(place: string, size: ImageSize, { rules }: Workshop): ImageSize {
  try {
    return shrunkSize(size, rules.image);
  } catch (error) {
    if (error instanceof MmdeployError) throw refused(place, error.message);
    throw error;
  }
}
