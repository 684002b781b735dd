import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { DEFAULT_MEDIA_LIMITS } from '../../../../src/serve/media/limits.ts';
import type { MediaStores } from '../../../../src/serve/media/types.ts';
import { imageBytes } from '../../../helpers/images.ts';
import { llavaRules, preparing, sent } from '../../../helpers/media-preparer.ts';
import { folderStores } from '../../../helpers/folder-stores.ts';

const noShrinking = () => ({ ...llavaRules(), image: null });

/** The picture that the engine is given, as another reader of PNG sees it. */
async function pixelsOf(folder: string, url: string) {
  const { data, info } = await sharp(readFileSync(join(folder, url.slice('file://'.length))))
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: info.channels, data };
}

describe('pictures', () => {
  it.each(['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'] as const)(
    'makes a plain PNG of %s',
    async (format) => {
      const { prepare, stores } = preparing();
      const file = await imageBytes({ width: 800, height: 400, format });
      const [[found] = []] = await prepare([file]);
      expect(found).toMatchObject({
        ...{ kind: 'image', known: false, seconds: null, size: { width: 336, height: 168 } },
        tokens: { media: 576, wrapper: 0, confidence: 'formula' },
      });
      const picture = await pixelsOf(stores.folder, found!.url);
      expect(picture).toMatchObject({ width: 336, height: 168, channels: 3 });
      // #5a78c8, as libvips made it; lossy formats are off by little.
      const [red = 0, green = 0, blue = 0] = picture.data;
      expect(
        Math.max(Math.abs(red - 90), Math.abs(green - 120), Math.abs(blue - 200)),
      ).toBeLessThan(4);
    },
  );

  it('turns it upright', async () => {
    const { prepare } = preparing({ rules: noShrinking() });
    const file = await imageBytes({ width: 60, height: 40, format: 'jpeg', orientation: 6 });
    const [[found] = []] = await prepare([file]);
    expect(found!.size).toEqual({ width: 40, height: 60 });
  });

  it('puts it on white paper: what is transparent has no colour of its own', async () => {
    const { prepare, stores } = preparing();
    const clear = { r: 0, g: 0, b: 0, alpha: 0 };
    const file = await sharp({ create: { width: 4, height: 4, channels: 4, background: clear } })
      .png()
      .toBuffer();
    const [[found] = []] = await prepare([file]);
    const { data, channels } = await pixelsOf(stores.folder, found!.url);
    expect(channels).toBe(3);
    expect([...data.subarray(0, 3)]).toEqual([255, 255, 255]);
  });

  it.each([
    ['16 bits', 'rgb16', 3],
    ['grey of 16 bits', 'grey16', 1],
    ['grey', 'b-w', 1],
  ] as const)('makes 8-bit RGB of %s', async (_, space, channels) => {
    const { prepare, stores } = preparing();
    const grey = { r: 128, g: 128, b: 128 };
    const file = await sharp({ create: { width: 8, height: 8, channels: 3, background: grey } })
      .toColourspace(space)
      .png()
      .toBuffer();
    expect((await sharp(file).metadata()).channels).toBe(channels);
    const [[found] = []] = await prepare([file]);
    const picture = await pixelsOf(stores.folder, found!.url);
    expect([...picture.data.subarray(0, 3)]).toEqual([128, 128, 128]);
  });

  it('makes RGB of CMYK, of a palette and of grey with alpha', async () => {
    const { prepare, stores } = preparing();
    const create = { width: 8, height: 8, channels: 3, background: '#404040' } as const;
    const cmyk = await sharp({ create }).toColourspace('cmyk').jpeg().toBuffer();
    const palette = await sharp({ create }).png({ palette: true }).toBuffer();
    const greyAlpha = await sharp({ create }).ensureAlpha(1).toColourspace('b-w').png().toBuffer();
    const found = await prepare([cmyk, palette, greyAlpha]);
    for (const [each] of found) {
      const { data, channels } = await pixelsOf(stores.folder, each!.url);
      expect(channels).toBe(3);
      expect(Math.abs((data[0] ?? 0) - 0x40)).toBeLessThan(24);
    }
  });
});

describe('what is known', () => {
  it('is not decoded again, and is found by another name for the same picture', async () => {
    const { prepare, stores } = preparing();
    const file = await imageBytes({ width: 900, height: 600, format: 'png' });
    const [[first] = []] = await prepare([file]);
    expect(stores.puts()).toBe(1);
    const [[again] = []] = await prepare([file]);
    expect(again).toMatchObject({ known: true, key: first!.key, url: first!.url });
    expect(stores.puts()).toBe(1);
    const tiff = await sharp(file).tiff({ compression: 'none' }).toBuffer();
    const [[other] = []] = await prepare([tiff]);
    expect(other).toMatchObject({ known: false, key: first!.key });
  });

  it('belongs to one tenant', async () => {
    const { prepare } = preparing();
    const file = await imageBytes({ width: 90, height: 60, format: 'png' });
    const [[mine] = []] = await prepare([file], 'a');
    const [[yours] = []] = await prepare([file], 'b');
    expect(yours!.known).toBe(false);
    expect(yours!.key).not.toBe(mine!.key);
  });

  it('is told apart by shape, by what alpha leaves and by palette', async () => {
    const { prepare } = preparing({ rules: noShrinking() });
    const raw = Buffer.from(Array.from({ length: 24 * 3 }, (_, index) => index * 3));
    const png = (width: number, height: number) =>
      sharp(raw, { raw: { width, height, channels: 3 } })
        .png()
        .toBuffer();
    const faint = await sharp(raw, { raw: { width: 6, height: 4, channels: 3 } })
      .ensureAlpha(0.5)
      .png()
      .toBuffer();
    const found = await prepare([await png(6, 4), await png(4, 6), await png(24, 1), faint]);
    expect(new Set(found.flat().map(({ key }) => key)).size).toBe(4);
  });

  it('is decoded once for requests that come together, each with a hold of its own', async () => {
    const { prepare, stores } = preparing();
    const file = await imageBytes({ width: 900, height: 600, format: 'jpeg' });
    const found = await Promise.all(Array.from({ length: 8 }, () => prepare([file])));
    expect(stores.puts()).toBe(1);
    expect(stores.pinned()).toBeGreaterThan(0);
    const all = found.flat(2);
    for (const each of all.slice(1)) each.release();
    expect(stores.pinned()).toBeGreaterThan(0);
    all[0]!.release();
    all[0]!.release();
    expect(stores.pinned()).toBe(0);
  });

  it('outlives the request that began it', async () => {
    const stores = folderStores();
    const store = stores.of('x');
    let open: () => void = () => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const slow: MediaStores = {
      of: () => ({
        ...store,
        put: async (media) => {
          await opened;
          return store.put(media);
        },
      }),
    };
    const { prepare } = preparing({ stores: slow });
    const file = await imageBytes({ width: 90, height: 60, format: 'png' });
    const gone = new AbortController();
    const first = prepare([file], 'x', gone.signal);
    const second = prepare([file], 'x');
    gone.abort(new Error('hung up'));
    await expect(first).rejects.toThrow('hung up');
    open();
    const [[found] = []] = await second;
    expect(stores.puts()).toBe(1);
    found!.release();
    expect(stores.pinned()).toBe(0);
  });
});

describe('limits', () => {
  const limits = { ...DEFAULT_MEDIA_LIMITS, maxRemoteBytes: 1 };

  it('names part, pixels, limit and flag before a pixel is decoded', async () => {
    const { prepare } = preparing({ limits: { ...limits, maxImagePixels: 1000 } });
    const file = await imageBytes({ width: 40, height: 30, format: 'png' });
    await expect(prepare([file])).rejects.toMatchObject({
      status: 413,
      code: 'media_too_large',
      message:
        '`messages[0].content[0]` has 40x30 = 1200 pixels, and this server takes at most 1000 (`--max-image-pixels`)',
    });
  });

  it('counts the images of a request', async () => {
    const { prepare, stores } = preparing({ limits: { ...limits, maxImages: 2 } });
    const file = await imageBytes({ width: 40, height: 30, format: 'png' });
    await expect(prepare([file, file, file])).rejects.toMatchObject({
      status: 413,
      message: expect.stringContaining('`--max-images`'),
    });
    expect(stores.puts()).toBe(0);
  });

  it('leaves nothing pinned when one part of several is refused', async () => {
    const { prepare, stores } = preparing();
    const good = await imageBytes({ width: 40, height: 30, format: 'png' });
    await expect(prepare([good, Buffer.from('not a picture'), good])).rejects.toMatchObject({
      status: 400,
      message: '`messages[0].content[1]`: it holds text',
    });
    await expect.poll(() => stores.pinned()).toBe(0);
  });
});

describe('what is refused', () => {
  const jp2 = Buffer.from('\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ', 'latin1');
  it.each([
    ['SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), /SVG .*PNG/],
    ['JPEG 2000', jp2, /JPEG 2000: send PNG/],
    ['an icon', Buffer.from('\0\0\x01\0\x01\0\x10\x10', 'latin1'), /an icon/],
    ['a ZIP', Buffer.from('PK\x03\x04\0\0\0\0', 'latin1'), /ZIP/],
    ['noise', Buffer.from('07dead00beef99', 'hex'), /nothing that is known/],
    ['nothing', Buffer.alloc(0), /empty/],
  ])('%s: 400 with the reason', async (_, file, reason) => {
    const { prepare } = preparing();
    const answer = { status: 400, message: expect.stringMatching(reason) };
    await expect(prepare([file])).rejects.toMatchObject(answer);
  });

  it('a picture that ends early, whatever its header says', async () => {
    const { prepare } = preparing();
    for (const format of ['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'] as const) {
      const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
      const file = await sharp({
        create: { width: 200, height: 200, channels: 3, noise, background: '#000' },
      })
        .toFormat(format)
        .toBuffer();
      await expect(prepare([file.subarray(0, file.length / 2)])).rejects.toMatchObject({
        status: 400,
      });
    }
  });

  it('a picture for a model that does not see', async () => {
    const { prepare } = preparing({ rules: { ...llavaRules(), blind: 'it does not see' } });
    const file = await imageBytes({ width: 4, height: 3, format: 'png' });
    await expect(prepare([sent(file, 'image')])).rejects.toMatchObject({
      status: 400,
      code: 'unsupported_media',
    });
  });
});
