import sharp from 'sharp';
import { expect, test } from 'vitest';
import { animationFormat } from '../../../../src/serve/media/animation.ts';

/** Red above green: two pages of a picture of 4 x 4, or one of 4 x 8. */
const pages = (pageHeight: number) => {
  const rgb = Buffer.alloc(4 * 8 * 3);
  for (let at = 0; at < rgb.length; at += 3) rgb[at + (at < rgb.length / 2 ? 0 : 1)] = 255;
  return sharp(rgb, { raw: { width: 4, height: 8, channels: 3, pageHeight } });
};

test('what moves, by what the file holds', async () => {
  expect(await animationFormat(await pages(4).gif().toBuffer())).toBe('gif');
  expect(await animationFormat(await pages(8).gif().toBuffer())).toBeNull();
  expect(await animationFormat(await pages(4).webp().toBuffer())).toBe('webp');
  expect(await animationFormat(await pages(8).webp().toBuffer())).toBeNull();
  expect(await animationFormat(await pages(8).jpeg().toBuffer())).toBeNull();
  expect(await animationFormat(await pages(8).avif().toBuffer())).toBeNull();
  expect(await animationFormat(Buffer.from('\0\0\0\x1cftypavis\0\0\0\0', 'latin1'))).toBe('avif');
  expect(await animationFormat(Buffer.from('GIF89a, and no more'))).toBeNull();
});

test('a PNG moves where it says so before its first pixels', async () => {
  const png = await pages(8).png().toBuffer();
  expect(await animationFormat(png)).toBeNull();
  const control = Buffer.from('\0\0\0\x08acTL\0\0\0\x02\0\0\0\0\0\0\0\0', 'latin1');
  // Behind the signature and the header.
  expect(
    await animationFormat(Buffer.concat([png.subarray(0, 33), control, png.subarray(33)])),
  ).toBe('apng');
  expect(await animationFormat(Buffer.concat([png, control]))).toBeNull();
});
