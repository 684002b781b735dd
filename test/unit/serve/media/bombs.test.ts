import { deflateSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { imageBytes } from '../../../helpers/images.ts';
import { pngChunk } from '../../../../src/estimate/png.ts';
import { preparing } from '../../../helpers/media-preparer.ts';

const MIB = 1024 * 1024;

/** A small file whose header says another size: the first `from` behind `marker` is replaced by `to`. */
function lying(file: Buffer, marker: number, write: (copy: Buffer, at: number) => void): Buffer {
  const copy = Buffer.from(file);
  write(copy, marker);
  return copy;
}

/** Its header is right, checksum included; its pixels are a few zeros. */
function pngOf(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(Buffer.alloc(1024))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

async function bombs(): Promise<readonly [string, Buffer][]> {
  const of = (format: 'jpeg' | 'avif') => imageBytes({ width: 64, height: 64, format });
  const jpeg = await of('jpeg');
  const avif = await of('avif');
  return [
    ['PNG of 225 megapixels', pngOf(15_000, 15_000)],
    ['PNG of 4295 megapixels', pngOf(65_535, 65_535)],
    [
      'JPEG',
      lying(jpeg, jpeg.indexOf('ffc0', 0, 'hex') + 5, (copy, at) =>
        copy.writeUInt32BE(0xea60_ea60, at),
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
    const outcome = await prepare([file]).catch((error: unknown) => error);
    statuses[name] = (outcome as { status?: number }).status ?? 200;
  }
  expect(Object.keys(statuses)).toHaveLength(files.length);
  expect(Object.values(statuses).every((status) => status === 400 || status === 413)).toBe(true);
  expect(statuses).toMatchObject({ 'PNG of 225 megapixels': 413, JPEG: 413, AVIF: 413 });
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * MIB);
});
