import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { imageKind } from '../../../src/serve/client/image-kind.ts';
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
    ['webp', 'image/webp'],
  ] as const)('%s is sent as %s', async (format, mime) => {
    expect(imageKind(await pixel.clone().toFormat(format).toBuffer())).toEqual({
      kind: 'sendable',
      mime,
    });
  });

  test.each([
    ['avif', 'AVIF'],
    ['tiff', 'TIFF'],
  ] as const)('%s is refused: llama-server would misread it', async (format, name) => {
    expect(imageKind(await pixel.clone().toFormat(format).toBuffer())).toEqual({
      kind: 'unsupported',
      format: name,
    });
  });

  test('signatures of formats that sharp cannot write here', () => {
    const box = (brand: string) => Buffer.from(`\0\0\0\x18${brand}`, 'latin1');
    expect(imageKind(box('ftypheic'))).toEqual({ kind: 'unsupported', format: 'HEIC' });
    expect(imageKind(box('jP  \r\n'))).toEqual({ kind: 'unsupported', format: 'JPEG 2000' });
    expect(imageKind(Buffer.from('BM\x46\0\0\0'))).toEqual({ kind: 'sendable', mime: 'image/bmp' });
  });

  test('text, nothing and a RIFF that is sound are no images', () => {
    for (const bytes of ['hello', '', 'RIFF\0\0\0\0WAVEfmt ']) {
      expect(imageKind(Buffer.from(bytes))).toEqual({ kind: 'no-image' });
    }
  });
});
