import sharp from 'sharp';
import { expect, it } from 'vitest';
import { imageBytes } from '../../../helpers/images.ts';
import { preparing } from '../../../helpers/media-preparer.ts';

const MIB = 1024 * 1024;

/** A small file whose header says another size: the first `from` behind `marker` is replaced by `to`. */
function lying(file: Buffer, marker: number, write: (copy: Buffer, at: number) => void): Buffer {
  const copy = Buffer.from(file);
  write(copy, marker);
  return copy;
}

async function bombs(): Promise<readonly [string, Buffer][]> {
  const of = (format: 'png' | 'jpeg' | 'webp' | 'gif' | 'tiff' | 'avif') =>
    imageBytes({ width: 64, height: 64, format });
  const create = { width: 15_000, height: 15_000, channels: 3, background: '#fff' } as const;
  const jpeg = await of('jpeg');
  const avif = await of('avif');
  return [
    ['PNG of 225 megapixels', await sharp({ create }).png({ palette: true }).toBuffer()],
    ['PNG', lying(await of('png'), 16, (copy, at) => copy.writeUInt32BE(60_000, at))],
    ['GIF', lying(await of('gif'), 6, (copy, at) => copy.writeUInt32LE(0xffff_ffff, at))],
    [
      'JPEG',
      lying(jpeg, jpeg.indexOf('ffc0', 0, 'hex') + 5, (copy, at) =>
        copy.writeUInt32BE(0xffff_ffff, at),
      ),
    ],
    [
      'AVIF',
      lying(avif, avif.indexOf('ispe') + 8, (copy, at) => {
        copy.writeUInt32BE(50_000, at);
        copy.writeUInt32BE(50_000, at + 4);
      }),
    ],
    [
      'WebP',
      // The canvas of the extended form: 16,384 pixels a side, 24 bits each, less one.
      Buffer.from('RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x3f\0\xff\x3f\0', 'latin1'),
    ],
  ];
}

it('refuses pictures that unfold to gigabytes from their header', async () => {
  const { prepare } = preparing();
  const files = await bombs();
  const before = process.memoryUsage().rss;
  const statuses: Record<string, number> = {};
  for (const [name, file] of files) {
    await prepare([file]).catch((error: unknown) => {
      statuses[name] = (error as { status: number }).status;
    });
  }
  expect(Object.keys(statuses)).toHaveLength(files.length);
  expect(Object.values(statuses).every((status) => status === 400 || status === 413)).toBe(true);
  expect(statuses).toMatchObject({ 'PNG of 225 megapixels': 413, GIF: 413, JPEG: 413 });
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB);
});
