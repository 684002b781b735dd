import sharp from 'sharp';
import { expect, it } from 'vitest';
import { flatPng } from '../../../src/estimate/flat-png.ts';

it.each([
  [1, 1],
  [7, 3],
  [8, 2],
  [9, 1000],
  [4032, 3024],
])('%i x %i: libvips decodes just that many black pixels', async (width, height) => {
  const png = flatPng({ width, height });
  const { data, info } = await sharp(png, { failOn: 'warning' })
    .greyscale()
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect(info).toMatchObject({ format: 'raw', width, height, channels: 1 });
  expect(data.equals(Buffer.alloc(width * height))).toBe(true);
});
