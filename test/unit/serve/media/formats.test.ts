import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Mp4OutputFormat } from 'mediabunny';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { DEFAULT_MEDIA_LIMITS } from '../../../../src/serve/media/limits.ts';
import { decodeBmp } from '../../../../src/serve/media/worker/bmp.ts';
import { resample } from '../../../../src/serve/media/worker/resample.ts';
import { bmpBytes } from '../../../helpers/bmp.ts';
import { filmBytes, mp3Bytes, wavBytes } from '../../../helpers/media.ts';
import { llavaRules, preparing, sent } from '../../../helpers/media-preparer.ts';
import { pdfBytes } from '../../../helpers/pdf.ts';

const limits = { ...DEFAULT_MEDIA_LIMITS, maxRemoteBytes: 1 };
const noShrinking = () => ({ ...llavaRules(), image: null });
const PROGRAM = 'ffmpeg';
const hasFfmpeg = spawnSync(PROGRAM, ['-version']).status === 0;
const FFMPEGS = [...(hasFfmpeg ? [PROGRAM] : []), '/nowhere/ffmpeg'];

const fileOf = (folder: string, url: string) => readFileSync(join(folder, url.slice(7)));

describe('BMP', () => {
  it.each([1, 4, 8, 16, 24, 32] as const)('of %i bits a pixel', (bits) => {
    for (const topDown of [false, true]) {
      const picture = decodeBmp(bmpBytes({ width: 5, height: 3, bits, topDown }), 100);
      expect(picture).toMatchObject({ width: 5, height: 3, channels: 3 });
      // Its first row is white, all others are black.
      expect([...picture.data]).toEqual([...Array(15).fill(255), ...Array(30).fill(0)]);
    }
  });

  it.skipIf(!hasFfmpeg)('as ffmpeg writes it', async () => {
    const raw = { width: 37, height: 21, channels: 3 } as const;
    const rgb = Buffer.from(Array.from({ length: 37 * 21 * 3 }, (_, at) => (at * 31) % 251));
    const png = await sharp(rgb, { raw }).png().toBuffer();
    for (const format of ['bgr24', 'bgra']) {
      const args = ['-v', 'error', '-i', 'pipe:0', '-pix_fmt', format, '-c:v', 'bmp'];
      const made = spawnSync(PROGRAM, [...args, '-f', 'image2pipe', 'pipe:1'], { input: png });
      const { data } = decodeBmp(made.stdout, 1000);
      const off = rgb.map((value, at) => Math.abs(value - (data[at] ?? 0)));
      expect(Math.max(...off)).toBe(0);
    }
  });

  it('goes the way of every picture', async () => {
    const { prepare } = preparing();
    const file = Buffer.from(bmpBytes({ width: 500, height: 400, bits: 24 }));
    const [[found] = []] = await prepare([file]);
    expect(found).toMatchObject({ size: { width: 336, height: 269 }, tokens: { media: 576 } });
    const bomb = Buffer.from(file);
    bomb.writeInt32LE(65_535, 18);
    bomb.writeInt32LE(65_535, 22);
    await expect(prepare([bomb])).rejects.toMatchObject({ status: 413 });
    await expect(prepare([file.subarray(0, 5000)])).rejects.toMatchObject({ status: 400 });
  });
});

describe('HEIC', () => {
  const file = readFileSync('test/fixtures/media/one-colour-64x48.heic');

  it('is decoded', async () => {
    const { prepare, stores } = preparing({ rules: noShrinking() });
    const [[found] = []] = await prepare([file]);
    expect(found!.size).toEqual({ width: 64, height: 48 });
    const { data } = await sharp(fileOf(stores.folder, found!.url))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(Math.abs(data[0]! - 90) + Math.abs(data[2]! - 200)).toBeLessThan(12);
  });

  it('is limited and refused like every picture', async () => {
    const { prepare } = preparing({ limits: { ...limits, maxImagePixels: 3071 } });
    await expect(prepare([file])).rejects.toMatchObject({ status: 413 });
    await expect(prepare([file.subarray(0, 300)])).rejects.toMatchObject({ status: 400 });
  });
});

describe('PDF', () => {
  it('is a picture of each page, at 150 dpi', async () => {
    const { prepare } = preparing({ rules: noShrinking() });
    const file = pdfBytes([
      { width: 72, height: 144, text: 'x' },
      { width: 144, height: 72 },
    ]);
    const [pages = []] = await prepare([file]);
    expect(pages.map(({ size }) => size)).toEqual([
      { width: 150, height: 300 },
      { width: 300, height: 150 },
    ]);
  });

  it('shows what is printed in its own colours', async () => {
    const { prepare, stores } = preparing({ rules: noShrinking() });
    const red = pdfBytes([{ width: 72, height: 72, text: ') Tj ET 1 0 0 rg 0 0 72 72 re f BT (' }]);
    const [[page] = []] = await prepare([red]);
    const data = await sharp(fileOf(stores.folder, page!.url)).raw().toBuffer();
    expect([...data.subarray(0, 3)]).toEqual([255, 0, 0]);
  });

  it('has a limit of pages, and of pixels a page', async () => {
    const { prepare } = preparing({
      limits: { ...limits, maxPdfPages: 1, maxImagePixels: 30_000 },
    });
    const page = { width: 72, height: 72 };
    await expect(prepare([pdfBytes([page, page])])).rejects.toMatchObject({
      status: 413,
      message:
        '`messages[0].content[0]` has 2 pages, and this server takes at most 1 (`--max-pdf-pages`)',
    });
    await expect(prepare([pdfBytes([{ width: 7200, height: 72 }])])).rejects.toMatchObject({
      status: 413,
    });
  });

  it('is refused when it is torn or locked', async () => {
    const { prepare } = preparing();
    const file = pdfBytes([{ width: 72, height: 72 }]);
    await expect(prepare([file.subarray(0, 200)])).rejects.toMatchObject({ status: 400 });
    const locked = pdfBytes([{ width: 72, height: 72 }], { locked: true });
    await expect(prepare([locked])).rejects.toMatchObject({ status: 400 });
  });
});

describe.each(FFMPEGS)('sound by %s', (ffmpeg) => {
  it.each([
    ['WAV at 48 kHz, stereo', wavBytes({ frames: 48_000, rate: 48_000, channels: 2 }), 16_000, 0],
    ['WAV at 16 kHz', wavBytes({ frames: 12_345, rate: 16_000 }), 12_345, 0],
    // Of 100 frames of 1152 samples at 44.1 kHz; decoders differ in what they cut off.
    ['MP3', mp3Bytes(100), 41_796, 1200],
  ])('%s', async (_, file, samples, tolerance) => {
    const { prepare, stores } = preparing({ ffmpeg });
    const [[found] = []] = await prepare([sent(file, 'audio')]);
    expect(found!.kind).toBe('audio');
    expect(Math.abs(found!.seconds! * 16_000 - samples)).toBeLessThanOrEqual(tolerance);
    const wav = fileOf(stores.folder, found!.url);
    expect(wav.toString('latin1', 0, 4)).toBe('RIFF');
    expect(wav.length).toBe(44 + 2 * Math.round(found!.seconds! * 16_000));
  });

  it('has a limit, and needs a sound', async () => {
    const { prepare } = preparing({ ffmpeg, limits: { ...limits, maxAudioSeconds: 2 } });
    const long = wavBytes({ frames: 48_000, rate: 16_000 });
    await expect(prepare([sent(long, 'audio')])).rejects.toMatchObject({
      status: 413,
      message: expect.stringContaining('`--max-audio-seconds`'),
    });
    const cut = wavBytes({ frames: 8000, rate: 16_000 }).subarray(0, 4000);
    await expect(prepare([sent(cut, 'audio')])).rejects.toMatchObject({ status: 400 });
  });

  it('keeps a tone as it was', async () => {
    const { prepare, stores } = preparing({ ffmpeg });
    const file = wavBytes({ frames: 44_100, rate: 44_100 });
    for (let at = 0; at < 44_100; at++) {
      file.writeInt16LE(
        Math.round(10_000 * Math.sin((2 * Math.PI * 440 * at) / 44_100)),
        44 + 2 * at,
      );
    }
    const [[found] = []] = await prepare([sent(file, 'audio')]);
    const wav = fileOf(stores.folder, found!.url);
    for (let at = 1000; at < 15_000; at += 97) {
      const wanted = 10_000 * Math.sin((2 * Math.PI * 440 * at) / 16_000);
      expect(Math.abs(wav.readInt16LE(44 + 2 * at) - wanted)).toBeLessThan(60);
    }
  });
});

it('folds nothing back when it resamples', () => {
  const high = Float32Array.from({ length: 48_000 }, (_, at) =>
    Math.sin((2 * Math.PI * 15_000 * at) / 48_000),
  );
  const heard = resample(high, 48_000, 16_000).subarray(200, 15_800);
  expect(Math.max(...heard)).toBeLessThan(0.01);
});

describe('film', () => {
  it('is 501 without ffmpeg, and says what to install', async () => {
    const { prepare } = preparing({ ffmpeg: '/nowhere/ffmpeg' });
    const video = { width: 64, height: 48, frames: 10, fps: 10 };
    const film = await filmBytes({ format: new Mp4OutputFormat(), video });
    await expect(prepare([sent(film, 'video')])).rejects.toMatchObject({
      status: 501,
      message: expect.stringContaining('install ffmpeg'),
    });
  });

  it.skipIf(!hasFfmpeg)('comes to 4 frames a second', async () => {
    const { prepare, stores } = preparing();
    const args = [
      '-v',
      'error',
      '-f',
      'lavfi',
      '-i',
      'testsrc=s=400x300:r=25:d=3',
      '-c:v',
      'mpeg4',
    ];
    const container = ['-f', 'mp4', '-movflags', 'frag_keyframe+empty_moov', 'pipe:1'];
    const film = spawnSync(PROGRAM, [...args, ...container], { maxBuffer: 1e8 }).stdout;
    const [frames = []] = await prepare([sent(film, 'video')]);
    expect(frames).toHaveLength(12);
    expect(frames[0]).toMatchObject({ kind: 'image', tokens: { media: 576 } });
    expect(new Set(frames.map(({ key }) => key)).size).toBe(12);
    for (const frame of frames) frame.release();
    expect(stores.pinned()).toBe(0);
    const short = preparing({ limits: { ...limits, maxVideoSeconds: 2 } });
    await expect(short.prepare([sent(film, 'video')])).rejects.toMatchObject({
      status: 413,
      message: expect.stringContaining('`--max-video-seconds`'),
    });
    expect(short.stores.pinned()).toBe(0);
  });

  it('is told apart from pictures and sounds, whatever it was sent as', async () => {
    const { prepare } = preparing();
    const wav = wavBytes({ frames: 100, rate: 16_000 });
    await expect(prepare([wav])).rejects.toMatchObject({
      status: 400,
      message:
        '`messages[0].content[0]`: it holds sound or film, and was sent as an image: send it as `input_audio` or `video_url`',
    });
    const png = await sharp({ create: { width: 4, height: 4, channels: 3, background: '#fff' } })
      .png()
      .toBuffer();
    await expect(prepare([sent(png, 'audio')])).rejects.toMatchObject({ status: 400 });
  });
});
