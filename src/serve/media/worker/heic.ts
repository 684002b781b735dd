import type { Picture } from './jobs.ts';
import { JobError, withinPixels } from './jobs.ts';

/** The first picture of a HEIC file, upright: libheif turns it as the file says. */
export async function decodeHeic(file: Uint8Array, maxPixels: number): Promise<Picture> {
  const { default: decode } = await import('heic-decode');
  const images = await decode.all({ buffer: file });
  try {
    const [first] = images;
    if (first === undefined) throw new JobError({ kind: 'damaged', why: 'no picture in it' });
    withinPixels(first.width, first.height, maxPixels);
    const { width, height, data } = await first.decode();
    return { width, height, channels: 4, data: new Uint8Array(data.buffer) };
  } finally {
    images.dispose();
  }
}
