import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { MmdeployError } from '../../../src/errors.ts';
import { prepareImage } from '../../../src/serve/client/image-file.ts';
import { imageKind } from '../../../src/serve/client/image-kind.ts';
import { serverUrl } from '../../../src/serve/client/server-url.ts';
import { createEventParser } from '../../../src/serve/client/sse.ts';

describe('server-sent events', () => {
  const stream =
    ': ping\n\ndata: {"a":1}\n\nevent: x\ndata:two\ndata: lines\r\n\r\ndata: zażółć\n\ndata: [DONE]\n\n';
  const events = ['{"a":1}', 'two\nlines', 'zażółć', '[DONE]'];

  test('data only; comments and other fields left out', () => {
    expect(createEventParser()(stream)).toEqual(events);
  });

  test('however the text is cut, the events are the same', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
        const parse = createEventParser();
        const at = [0, ...cuts.sort((a, b) => a - b), stream.length];
        const pieces = at.slice(1).map((end, index) => stream.slice(at[index], end));
        expect(pieces.flatMap((piece) => parse(piece))).toEqual(events);
      }),
    );
  });

  test('an event that has not ended is not one', () => {
    expect(createEventParser()('data: half')).toEqual([]);
  });
});

describe('what a file is, by its bytes', () => {
  const pixel = sharp({ create: { width: 2, height: 2, channels: 3, background: 'red' } });

  test.each([
    ['png', 'image/png'],
    ['jpeg', 'image/jpeg'],
    ['gif', 'image/gif'],
  ] as const)('%s is sent as %s', async (format, mime) => {
    expect(imageKind(await pixel.clone().toFormat(format).toBuffer())).toEqual({
      kind: 'sendable',
      mime,
    });
  });

  test.each([
    ['avif', 'AVIF'],
    ['tiff', 'TIFF'],
    ['webp', 'WebP'],
  ] as const)('%s is foreign: llama-server would misread or refuse it', async (format, name) => {
    expect(imageKind(await pixel.clone().toFormat(format).toBuffer())).toEqual({
      kind: 'foreign',
      format: name,
    });
  });

  test('signatures of formats that sharp cannot write here', () => {
    const box = (brand: string) => Buffer.from(`\0\0\0\x18${brand}`, 'latin1');
    expect(imageKind(box('ftypheic'))).toEqual({ kind: 'foreign', format: 'HEIC' });
    expect(imageKind(box('jP  \r\n'))).toEqual({ kind: 'foreign', format: 'JPEG 2000' });
    expect(imageKind(Buffer.from('BM\x46\0\0\0'))).toEqual({ kind: 'sendable', mime: 'image/bmp' });
  });

  test('an SVG behind a declaration; a page that holds none', () => {
    const declared = '<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="x"/>';
    expect(imageKind(Buffer.from(declared))).toEqual({ kind: 'foreign', format: 'SVG' });
    expect(imageKind(Buffer.from('<svg/>'))).toEqual({ kind: 'foreign', format: 'SVG' });
    expect(imageKind(Buffer.from('<html><svg/></html>'))).toEqual({ kind: 'no-image' });
  });

  test('text, nothing and a RIFF that is sound are no images', () => {
    for (const bytes of ['hello', '', 'RIFF\0\0\0\0WAVEfmt ']) {
      expect(imageKind(Buffer.from(bytes))).toEqual({ kind: 'no-image' });
    }
  });
});

describe('what is sent in place of a file', () => {
  /** Blue left half, red right half: shows which way up a picture is. */
  const halves = (orientation?: number) => {
    const pixels = Buffer.from([0, 0, 255, 255, 0, 0]);
    const picture = sharp(pixels, { raw: { width: 2, height: 1, channels: 3 } }).resize(64, 32, {
      kernel: 'nearest',
    });
    return orientation === undefined ? picture : picture.withMetadata({ orientation });
  };
  const ready = async (bytes: Buffer) => {
    const image = await prepareImage(bytes);
    if (image.kind !== 'ready') throw new Error(`not ready: ${JSON.stringify(image)}`);
    return image;
  };

  test.each(['png', 'jpeg', 'gif'] as const)('%s: its own bytes', async (format) => {
    const bytes = await halves().toFormat(format).toBuffer();
    const image = await ready(bytes);
    expect(image.bytes).toBe(bytes);
    expect(image.change).toBeNull();
  });

  test.each([
    ['webp', 'WebP, sent as JPEG'],
    ['avif', 'AVIF, sent as JPEG'],
    ['tiff', 'TIFF, sent as JPEG'],
  ] as const)('%s: a JPEG of the same size', async (format, change) => {
    const image = await ready(await halves().toFormat(format).toBuffer());
    expect(image).toMatchObject({ mime: 'image/jpeg', change });
    expect(await sharp(image.bytes).metadata()).toMatchObject({
      format: 'jpeg',
      width: 64,
      height: 32,
    });
  });

  test('transparency is kept, as PNG', async () => {
    const image = await ready(await halves().ensureAlpha(0.5).webp().toBuffer());
    expect(image).toMatchObject({ mime: 'image/png', change: 'WebP, sent as PNG' });
    expect((await sharp(image.bytes).metadata()).hasAlpha).toBe(true);
  });

  test.each(['jpeg', 'png', 'webp'] as const)('an EXIF-turned %s: upright', async (format) => {
    // Orientation 6: turn by 90° clockwise to see it upright, so left comes to the top.
    const image = await ready(await halves(6).toFormat(format).toBuffer());
    const { data, info } = await sharp(image.bytes).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([32, 64]);
    expect((await sharp(image.bytes).metadata()).orientation).toBeUndefined();
    const top = data.subarray(0, 3);
    expect((top[2] ?? 0) > (top[0] ?? 0)).toBe(true);
    expect(image.change).toMatch(/sent as JPEG$/);
  });

  test('a HEIC box that holds no picture: named, with a reason', async () => {
    const image = await prepareImage(Buffer.from('\0\0\0\x18ftypheic\0\0\0\0', 'latin1'));
    expect(image).toMatchObject({ kind: 'undecodable', format: 'HEIC' });
    expect(image.kind === 'undecodable' && image.reason).toMatch(/\w/);
  });
});

describe('the server that `--url` names', () => {
  test.each([
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['http://127.0.0.1:8080/v1/', 'http://127.0.0.1:8080'],
    ['https://box.example/llm/v1', 'https://box.example/llm'],
  ])('%s', (given, base) => {
    expect(serverUrl(given)).toBe(base);
  });

  test.each([
    ['localhost:8080', 'http://localhost:8080'],
    ['ftp://box/v1', 'http://box'],
    ['not a url', 'http://127.0.0.1:8080'],
    ['', 'http://127.0.0.1:8080'],
  ])('`%s` is refused with what was meant', (given, meant) => {
    const refuse = () => serverUrl(given);
    expect(refuse).toThrow(MmdeployError);
    try {
      refuse();
    } catch (error) {
      expect(error).toMatchObject({ code: 'usage.invalid' });
      expect((error as MmdeployError).hints.join()).toContain(`--url ${meant}\``);
    }
  });
});
