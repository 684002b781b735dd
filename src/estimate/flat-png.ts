import { pngOf } from './png.ts';

/**
 * A black PNG of this many pixels, made in milliseconds and a few KB at any size: where only the size of a
 * picture counts, an image library would take a second for twelve megapixels.
 */
export function flatPng({ width, height }: { width: number; height: number }): Buffer {
  // One bit a pixel. Each row begins with its filter, which is none.
  const rows = Buffer.alloc((1 + Math.ceil(width / 8)) * height);
  return pngOf({ width, height, bitDepth: 1, colourType: 0 }, rows);
}
