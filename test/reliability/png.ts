import { pngOf } from '../../src/estimate/png.ts';
import { randomOf } from './asking.ts';

/** A small PNG of noise with pixels of its own for each seed, some 100 us of work. */
export function tinyPng(seed: number, width = 48, height = 36): Buffer {
  const random = randomOf(seed);
  const stride = 1 + width * 3;
  const rows = Buffer.alloc(height * stride);
  for (let at = 0; at < rows.length; at++) rows[at] = at % stride === 0 ? 0 : random() * 256;
  return pngOf({ width, height, bitDepth: 8, colourType: 2 }, rows, 1);
}

/** A red pixel. */
export const TINY_PNG =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC';
