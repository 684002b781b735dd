// Pictures made on the spot, the same for the same seed, each with pixels of its own.
import sharp from 'sharp';
import { pngOf } from '../../dist/estimate/png.js';

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A small PNG of noise, some 100 us of work. */
export function tinyPng(seed, width = 48, height = 36) {
  const random = randomOf(seed);
  const rows = Buffer.alloc(height * (1 + width * 3));
  for (let at = 0; at < rows.length; at++) {
    rows[at] = at % (1 + width * 3) === 0 ? 0 : random() * 256;
  }
  return pngOf({ width, height, bitDepth: 8, colourType: 2 }, rows, 1);
}

/** A PNG of noise of about `bytes`: nothing of it can be packed. */
export function heavyPng(seed, bytes) {
  const width = 512;
  return tinyPng(seed, width, Math.round(bytes / (1 + width * 3)));
}

/** A JPEG of 12 megapixels and about 2 MB, as a phone takes them. */
export async function photo(seed) {
  const [width, height] = [4000, 3000];
  const random = randomOf(seed);
  // Few pixels drawn, then enlarged: structure at every scale without minutes of noise.
  const small = Buffer.from(Array.from({ length: 250 * 188 * 3 }, () => random() * 256));
  return sharp(small, { raw: { width: 250, height: 188, channels: 3 } })
    .resize(width, height, { fit: 'fill', kernel: 'cubic' })
    .jpeg({ quality: 90 })
    .toBuffer();
}

/** The same picture as the demo model's encoder sees it. */
export function preResized(file) {
  return sharp(file).resize(336, 336, { fit: 'fill' }).png().toBuffer();
}

export function imagePart(bytes, type = 'image/png') {
  return {
    type: 'image_url',
    image_url: { url: `data:${type};base64,${bytes.toString('base64')}` },
  };
}
