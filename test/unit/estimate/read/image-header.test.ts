import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { imageHeaderOf, readImageHeader } from '../../../../src/estimate/read/image-header.ts';
import { imageBytes, imageFolder } from '../../../helpers/images.ts';

const LANDSCAPE = { width: 640, height: 480 } as const;

describe('readImageHeader on pictures encoded by libvips', () => {
  it.each([
    ['png', 'png'],
    ['jpeg', 'jpg'],
    ['webp', 'webp'],
    ['gif', 'gif'],
    ['tiff', 'tiff'],
    ['avif', 'avif'],
  ] as const)('reads %s', async (format, told) => {
    const file = imageFolder().add('picture', await imageBytes({ ...LANDSCAPE, format }));
    expect(readImageHeader(file)).toEqual({
      kind: 'image',
      ...LANDSCAPE,
      turned: false,
      format: told,
    });
  });

  it.each([
    [1, 640, 480, false],
    [3, 640, 480, false],
    [5, 480, 640, true],
    [6, 480, 640, true],
    [8, 480, 640, true],
  ])('gives EXIF orientation %i upright', async (orientation, width, height, turned) => {
    const bytes = await imageBytes({ ...LANDSCAPE, format: 'jpeg', orientation });
    expect(imageHeaderOf(bytes)).toMatchObject({ kind: 'image', width, height, turned });
  });

  it('finds the directory at the end of a TIFF larger than one read', async () => {
    const bytes = await imageBytes({ width: 3000, height: 2000, format: 'tiff' });
    const padded = padTiff(bytes, 300_000);
    const file = imageFolder().add('scan.tif', padded);
    expect(readImageHeader(file)).toMatchObject({ kind: 'image', width: 3000, height: 2000 });
  });

  it('reads on when a long comment pushes the size of a JPEG back', async () => {
    const bytes = await imageBytes({ ...LANDSCAPE, format: 'jpeg' });
    const file = imageFolder().add('long.jpg', withComments(bytes, 5));
    expect(readImageHeader(file)).toMatchObject({ kind: 'image', ...LANDSCAPE });
  });
});

describe('what is no readable picture', () => {
  it.each([
    ['an empty file', '', 'unreadable', /empty/],
    [
      'a vector picture',
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
      'unreadable',
      /SVG/,
    ],
  ])('says why: %s', (_, content, kind, reason) => {
    const result = readImageHeader(imageFolder().add('x', content));
    expect(result.kind).toBe(kind);
    expect('reason' in result ? result.reason : '').toMatch(reason);
  });

  it.each([
    'hello world, this is text',
    'hi',
    '{"a": 1}',
    '%PDF-1.7\n',
    '\0\0\0\0\0\0\0\0\0\0\0\0',
  ])('takes %j for no image', (content) => {
    expect(readImageHeader(imageFolder().add('x', content)).kind).toBe('not-an-image');
  });

  it('calls a size of nothing what it is', async () => {
    const bytes = Buffer.from(await imageBytes({ ...LANDSCAPE, format: 'png' }));
    bytes.writeUInt32BE(0, 16);
    expect(imageHeaderOf(bytes)).toEqual({
      kind: 'unreadable',
      reason: 'its header says 0x480 pixels',
    });
  });

  it('never throws and never invents a size, wherever a file is cut', async () => {
    for (const format of ['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'] as const) {
      const bytes = await imageBytes({ ...LANDSCAPE, format });
      const file = imageFolder();
      for (let length = 0; length < Math.min(200, bytes.length); length++) {
        const result = readImageHeader(file.add('cut', bytes.subarray(0, length)));
        if (result.kind === 'image') expect(result, format).toMatchObject(LANDSCAPE);
      }
    }
  });
});

/** Moves a little-endian TIFF's directory behind `gap` bytes of nothing. */
function padTiff(bytes: Buffer, gap: number): Buffer {
  const start = bytes.readUInt32LE(4);
  const directory = bytes.subarray(start);
  const head = Buffer.from(bytes.subarray(0, start));
  head.writeUInt32LE(start + gap, 4);
  return Buffer.concat([head, Buffer.alloc(gap), directory]);
}

/** Puts `count` comments of 60 KB between the start of a JPEG and the rest. */
function withComments(bytes: Buffer, count: number): Buffer {
  const comment = Buffer.alloc(60_000, 0x20);
  comment.set([0xff, 0xfe, (comment.length - 2) >> 8, (comment.length - 2) & 0xff]);
  // Behind the JFIF block, which image-size expects first.
  const first = 4 + bytes.readUInt16BE(4);
  return Buffer.concat([
    bytes.subarray(0, first),
    ...Array.from({ length: count }, () => comment),
    bytes.subarray(first),
  ]);
}
