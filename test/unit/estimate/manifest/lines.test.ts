import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Line, LineOptions } from '../../../../src/estimate/manifest/lines.ts';
import { lineBatches } from '../../../../src/estimate/manifest/lines.ts';
import { KEPT_PICTURE_CHARS } from '../../../../src/estimate/manifest/long-line.ts';

const OPTIONS: LineOptions = { separator: '\n', maxLineBytes: 1 << 24, wholePictures: false };

async function linesOf(chunks: readonly Uint8Array[], options: Partial<LineOptions> = {}) {
  const lines: Line[] = [];
  async function* source() {
    await Promise.resolve();
    yield* chunks;
  }
  for await (const batch of lineBatches(source(), { ...OPTIONS, ...options })) lines.push(...batch);
  return lines;
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let at = 0;
  for (let turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

describe('lineBatches', () => {
  it('gives the same lines wherever the stream is cut', async () => {
    const line = fc.string({ unit: 'binary' }).map((text) => text.replaceAll(/[\r\n\ufeff]/g, ''));
    const end = fc.constantFrom('\n', '\r\n');
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(line),
        end,
        sizes,
        fc.boolean(),
        async (texts, ending, at, last) => {
          const bytes = Buffer.from(texts.join(ending) + (last ? ending : ''));
          const lines = await linesOf(cut(bytes, at));
          const expected = texts
            .map((text) => Buffer.from(text).toString())
            .map((text, index) => ({ number: index + 1, text, problem: null }))
            .filter(({ text }) => text.trim() !== '');
          expect(lines).toEqual(expected);
        },
      ),
    );
  });

  it('takes a mark of byte order off the first line only', async () => {
    const lines = await linesOf([Buffer.from('\ufeffa\n\ufeffb')]);
    expect(lines.map(({ text }) => text)).toEqual(['a', '\ufeffb']);
  });

  it.each([[1], [3], [100]])('names the line that is no UTF-8, in pieces of %i', async (size) => {
    const bytes = Buffer.concat([
      Buffer.from('é\n'),
      Buffer.from([0xff, 0x0a]),
      Buffer.from('ü\n'),
    ]);
    expect(await linesOf(cut(bytes, [size]))).toEqual([
      { number: 1, text: 'é', problem: null },
      { number: 2, text: '', problem: 'not UTF-8 text' },
      { number: 3, text: 'ü', problem: null },
    ]);
  });

  it('passes over a line that is too long and goes on behind it', async () => {
    const bytes = Buffer.from(`a\n${'x'.repeat(500)}\nb`);
    expect(await linesOf(cut(bytes, [64]), { maxLineBytes: 400 })).toEqual([
      { number: 1, text: 'a', problem: null },
      { number: 2, text: '', problem: 'longer than a line may be' },
      { number: 3, text: 'b', problem: null },
    ]);
  });

  it('keeps line breaks within names that NUL separates', async () => {
    const lines = await linesOf([Buffer.from('a\nb.png\0c\r\0')], { separator: '\0' });
    expect(lines.map(({ text }) => text)).toEqual(['a\nb.png', 'c\r']);
  });
});

describe('pictures in long lines', () => {
  const picture = (type: string, chars: number) => `data:image/${type};base64,${'A'.repeat(chars)}`;
  const line = (uri: string) => JSON.stringify({ image: uri, text: 'behind it' });
  const kept = async (text: string, size: number, options: Partial<LineOptions> = {}) =>
    (await linesOf(cut(Buffer.from(`${text}\n${text}`), [size]), options)).map((l) => l.text);
  const long = KEPT_PICTURE_CHARS + 300_001;

  it.each([[1 << 16], [7919], [1_000_003]])(
    'keeps the beginning only, in pieces of %i',
    async (size) => {
      const short = line(picture('jpeg', KEPT_PICTURE_CHARS));
      expect(await kept(line(picture('jpeg', long)), size)).toEqual([short, short]);
    },
  );

  it.each(Array.from({ length: 14 }, (_, index) => [index]))(
    'sees a picture whose start is cut apart after %i bytes',
    async (at) => {
      const bytes = Buffer.from(line(picture('png', long)));
      const first = bytes.indexOf('data:image/') + at;
      const pieces = [bytes.subarray(0, first), ...cut(bytes.subarray(first), [3, 5, 1 << 20])];
      const [only] = await linesOf(pieces);
      expect(only?.text).toBe(line(picture('png', KEPT_PICTURE_CHARS)));
    },
  );

  it.each([
    ['a GIF, whose frames have to be counted', line(picture('gif', long)), {}],
    ['a sound', JSON.stringify({ audio: `data:audio/wav;base64,${'A'.repeat(long)}` }), {}],
    ['any picture when asked to', line(picture('jpeg', long)), { wholePictures: true }],
    [
      'prose about pictures',
      JSON.stringify({ text: `data:image/png, ${'word '.repeat(400_000)}` }),
      {},
    ],
    ['an address without an end', JSON.stringify({ text: `data:image/${'x'.repeat(long)}` }), {}],
  ])('keeps %s whole', async (_, text, options) => {
    expect(await kept(text, 1 << 16, options)).toEqual([text, text]);
  });

  it('counts only what is kept towards the longest line', async () => {
    const text = line(picture('png', 40_000_000));
    const lines = await linesOf(cut(Buffer.from(text), [1 << 18]), { maxLineBytes: 2_000_000 });
    expect(lines.map(({ problem }) => problem)).toEqual([null]);
  });
});
