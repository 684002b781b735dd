import { execFileSync } from 'node:child_process';
import { chmodSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MkvOutputFormat, MovOutputFormat, Mp4OutputFormat, WebMOutputFormat } from 'mediabunny';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { EstimateInput, UnreadableInput } from '../../../../src/contracts/estimate.ts';
import { createReader } from '../../../../src/estimate/read/index.ts';
import type { RunCommand, RunResult } from '../../../../src/process/run.ts';
import { imageBytes, imageFolder } from '../../../helpers/images.ts';
import {
  aacSeconds,
  adtsBytes,
  filmBytes,
  flacBytes,
  lameFrame,
  MP3_FRAME,
  MP3_RATE,
  mp3Bytes,
  opusBytes,
  wavBytes,
} from '../../../helpers/media.ts';
import { pdfBytes } from '../../../helpers/pdf.ts';

type Entry = EstimateInput | UnreadableInput;

const NOT_FOUND: RunResult = { code: null, stdout: '', stderr: '', outcome: 'not-found' };
const nothingThere: RunCommand = () => Promise.resolve(NOT_FOUND);

async function read(
  name: string,
  content: string | Uint8Array,
  options: { decode?: boolean; pdfDpi?: number; run?: RunCommand } = {},
): Promise<readonly Entry[]> {
  const absolute = imageFolder().add(name, content);
  return readFrom(absolute, name, options);
}

function readFrom(
  absolute: string,
  path: string,
  { decode = false, pdfDpi = 150, run = nothingThere }: Parameters<typeof read>[2] = {},
): Promise<readonly Entry[]> {
  const { signal } = new AbortController();
  const { size } = statSync(absolute, { throwIfNoEntry: false }) ?? { size: 0 };
  return createReader({ decode, pdfDpi, run, signal }).read({ path, absolute, bytes: size });
}

const film = { width: 640, height: 360, frames: 50, fps: 25 };
const cut = (bytes: Uint8Array, share: number) => bytes.subarray(0, bytes.length * share);

describe('sound', () => {
  it.each([
    ['wav', wavBytes({ frames: 44_100 * 3 + 7, rate: 44_100 }), 3 + 7 / 44_100, 'wav'],
    [
      'wav',
      wavBytes({ frames: 16_001, rate: 16_000, channels: 2, list: true }),
      16_001 / 16_000,
      'wav',
    ],
    ['mp3', mp3Bytes(100), (100 * MP3_FRAME) / MP3_RATE, 'mp3'],
    ['mp3', mp3Bytes(99, (i) => [32, 64, 128, 320][i % 4]!), (99 * MP3_FRAME) / MP3_RATE, 'mp3'],
    ['aac', adtsBytes(100), (100 * 1024) / 44_100, 'aac'],
    ['flac', flacBytes(50_001), 50_001 / 16_000, 'flac'],
    ['ogg', opusBytes(96_005), 96_005 / 48_000, 'ogg'],
  ] as const)('%s is as long as it was made', async (extension, bytes, seconds, format) => {
    const [entry, ...others] = await read(`clip.${extension}`, bytes);
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ modality: 'audio', format, width: null });
    expect((entry as EstimateInput).seconds).toBeCloseTo(seconds, 9);
  });

  it('m4a and webm of sound alone are no films', async () => {
    const m4a = await filmBytes({ format: new Mp4OutputFormat(), audio: { packets: 150 } });
    expect(await read('clip.m4a', m4a)).toEqual([
      expect.objectContaining({
        modality: 'audio',
        format: 'm4a',
        seconds: expect.closeTo(aacSeconds(150), 9),
      }),
    ]);
    const webm = await filmBytes({
      format: new WebMOutputFormat(),
      audio: { codec: 'opus', packets: 100 },
    });
    const [entry] = await read('clip.webm', webm);
    expect(entry).toMatchObject({ modality: 'audio', format: 'mkv' });
    expect((entry as EstimateInput).seconds).toBeCloseTo(2, 3);
  });

  it('a name that says something else changes nothing', async () => {
    expect(await read('photo.jpg', mp3Bytes(10))).toEqual([
      expect.objectContaining({ input: 'photo.jpg', modality: 'audio', format: 'mp3' }),
    ]);
  });
});

describe('animations', () => {
  const moving = (frames: number) => {
    const raw = { width: 30, height: 20 * frames, channels: 3 as const, pageHeight: 20 };
    const bytes = Array.from({ length: 30 * 20 * frames * 3 }, (_, index) => (index * 7919) % 256);
    return sharp(Buffer.from(bytes), { raw });
  };
  const apng = async (frames: number) => {
    const png = await moving(1).png().toBuffer();
    const control = Buffer.alloc(20);
    control.writeUInt32BE(8, 0);
    control.write('acTL', 4);
    control.writeUInt32BE(frames, 8);
    return Buffer.concat([png.subarray(0, 33), control, png.subarray(33)]);
  };
  const avis = async (frames: number) => {
    const avif = await imageBytes({ width: 30, height: 20, format: 'avif' });
    avif.write('avis', 8);
    const table = Buffer.alloc(20);
    table.writeUInt32BE(20, 0);
    table.write('stsz', 4);
    table.writeUInt32BE(frames, 16);
    return Buffer.concat([avif, table]);
  };

  it.each([
    ['gif', 1, () => moving(1).gif().toBuffer()],
    ['gif', 7, () => moving(7).gif().toBuffer()],
    ['gif', 400, () => moving(400).gif().toBuffer()],
    ['webp', 1, () => moving(1).webp().toBuffer()],
    ['webp', 7, () => moving(7).webp({ lossless: true }).toBuffer()],
    ['png', 1, () => moving(1).png().toBuffer()],
    ['png', 9, () => apng(9)],
    ['avif', 1, () => imageBytes({ width: 30, height: 20, format: 'avif' })],
    ['avif', 12, () => avis(12)],
  ] as const)('%s of %i frames', async (format, frames, make) => {
    expect(await read('moving', await make())).toEqual([
      expect.objectContaining({ modality: 'image', format, frames, width: 30, height: 20 }),
    ]);
  });

  it('a GIF that ends in the middle of a frame has those that begin', async () => {
    const whole = await moving(400).gif().toBuffer();
    const [entry] = await read('moving.gif', cut(whole, 0.5));
    const { frames } = entry as EstimateInput;
    expect(frames).toBeGreaterThan(150);
    expect(frames).toBeLessThan(250);
  });
});

describe('film', () => {
  it.each([
    ['mp4', new Mp4OutputFormat({ fastStart: false })],
    ['mp4', new Mp4OutputFormat({ fastStart: 'in-memory' })],
    ['mp4', new Mp4OutputFormat({ fastStart: 'fragmented' })],
    ['mov', new MovOutputFormat()],
    ['mkv', new MkvOutputFormat()],
  ] as const)('%s: size, length, frames a second, sound', async (format, output) => {
    const bytes = await filmBytes({ format: output, video: film, audio: { packets: 100 } });
    const [entry, ...others] = await read(`film.${format}`, bytes);
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ modality: 'video', format, width: 640, height: 360 });
    const { seconds, fps, soundSeconds } = entry as EstimateInput;
    expect(seconds).toBeCloseTo(2, 3);
    expect(fps).toBeCloseTo(25, 1);
    expect(soundSeconds).toBeCloseTo(aacSeconds(100), 2);
  });

  it('webm; without sound', async () => {
    const bytes = await filmBytes({
      format: new WebMOutputFormat(),
      video: { ...film, codec: 'vp9', frames: 300, fps: 30 },
    });
    const [entry] = await read('film.webm', bytes);
    expect(entry).toMatchObject({ modality: 'video', width: 640, height: 360, soundSeconds: 0 });
    expect((entry as EstimateInput).seconds).toBeCloseTo(10, 2);
    expect((entry as EstimateInput).fps).toBeCloseTo(30, 1);
  });

  it.each([
    [90, 360, 640],
    [180, 640, 360],
    [270, 360, 640],
  ] as const)('turned by %i degrees it is %ix%i', async (rotation, width, height) => {
    const format = new Mp4OutputFormat();
    const bytes = await filmBytes({ format, video: { ...film, rotation } });
    expect(await read('film.mp4', bytes)).toEqual([expect.objectContaining({ width, height })]);
  });
});

describe('containers for ffprobe', () => {
  const AVI = Buffer.concat([Buffer.from('RIFF\0\0\0\0AVI LIST'), Buffer.alloc(100)]);
  const stream = {
    codec_type: 'video',
    ...{ width: 640, height: 480, avg_frame_rate: '30000/1001', duration: '10.010000' },
  };
  const answering =
    (answer: unknown): RunCommand =>
    (file, args) =>
      Promise.resolve({
        ...NOT_FOUND,
        code: 0,
        outcome: 'exited',
        stdout: file === 'ffprobe' && args.includes('json') ? JSON.stringify(answer) : '',
      });

  it('without it they are named, and it is looked for once', async () => {
    let runs = 0;
    const run: RunCommand = () => {
      runs += 1;
      return Promise.resolve(NOT_FOUND);
    };
    const folder = imageFolder();
    const { signal } = new AbortController();
    const reader = createReader({ decode: false, pdfDpi: 150, run, signal });
    for (const name of ['a.avi', 'b.avi']) {
      const absolute = folder.add(name, AVI);
      expect(await reader.read({ path: name, absolute, bytes: AVI.length })).toEqual([
        { path: name, reason: expect.stringMatching(/^AVI is read by ffprobe, and there is none/) },
      ]);
    }
    expect(runs).toBe(1);
  });

  it('reads size, length, rate and sound of its answer', async () => {
    const sound = { codec_type: 'audio', duration: '9.5' };
    const run = answering({ streams: [stream, sound], format: { duration: '10.1' } });
    expect(await read('film.avi', AVI, { run })).toEqual([
      expect.objectContaining({
        modality: 'video',
        ...{ width: 640, height: 480, seconds: 10.01, soundSeconds: 9.5, format: 'avi' },
        fps: 30_000 / 1001,
      }),
    ]);
  });

  it('turns a film that is played on its side, and takes the length of the whole where a stream has none', async () => {
    const turned = { ...stream, duration: 'N/A', side_data_list: [{ rotation: -90 }] };
    const run = answering({ streams: [turned], format: { duration: '10.1' } });
    expect(await read('film.avi', AVI, { run })).toEqual([
      expect.objectContaining({ width: 480, height: 640, seconds: 10.1, soundSeconds: 0 }),
    ]);
  });

  it('a cover is no film', async () => {
    const cover = { ...stream, disposition: { attached_pic: 1 } };
    const sound = { codec_type: 'audio', duration: '9.5' };
    const run = answering({ streams: [cover, sound], format: {} });
    expect(await read('song.avi', AVI, { run })).toEqual([
      expect.objectContaining({ modality: 'audio', seconds: 9.5 }),
    ]);
  });

  it('an answer without a length is no input', async () => {
    const run = answering({ streams: [], format: {} });
    expect(await read('film.avi', AVI, { run })).toEqual([
      { path: 'film.avi', reason: 'neither sound nor film in it of a known length' },
    ]);
  });
});

describe('documents', () => {
  const A4 = { width: 595.276, height: 841.89 };

  it('are a picture for each page and one text', async () => {
    const pages = [
      { ...A4, text: 'first page' },
      { width: 612, height: 792, rotate: 90, text: 'second' },
    ];
    const page = { modality: 'image', format: 'png', document: 'paper.pdf', turned: false };
    expect(await read('paper.pdf', pdfBytes(pages))).toEqual([
      expect.objectContaining({ ...page, input: 'paper.pdf#page=1', width: 1241, height: 1754 }),
      expect.objectContaining({ ...page, input: 'paper.pdf#page=2', width: 1650, height: 1275 }),
      expect.objectContaining({
        ...{ input: 'paper.pdf#text', modality: 'text', document: 'paper.pdf' },
        text: 'first page\nsecond',
      }),
    ]);
  });

  it('are as large as the resolution makes them', async () => {
    const [page] = await read('paper.pdf', pdfBytes([{ width: 612, height: 792 }]), { pdfDpi: 72 });
    expect(page).toMatchObject({ width: 612, height: 792 });
  });

  it('may have more pages than PDFium keeps open', async () => {
    const pages = Array.from({ length: 600 }, (_, i) => ({
      width: 72,
      height: 72 + i,
      text: `p${i}`,
    }));
    const entries = await read('long.pdf', pdfBytes(pages), { pdfDpi: 72 });
    expect(entries).toHaveLength(601);
    expect(entries.slice(0, 600).map((entry) => (entry as EstimateInput).height)).toEqual(
      pages.map(({ height }) => height),
    );
    expect((entries[600] as EstimateInput).text?.split('\n')).toEqual(
      pages.map(({ text }) => text),
    );
  });

  it.each([
    ['locked', pdfBytes([A4], { locked: true }), /^encrypted: it opens with a password only$/],
    ['cut', cut(pdfBytes([A4, A4]), 0.7), /^truncated: /],
    [
      'of other bytes',
      Buffer.concat([
        Buffer.from('%PDF-1.4\n'),
        Buffer.alloc(500, 7),
        Buffer.from('startxref\n9\n%%EOF'),
      ]),
      /^damaged: /,
    ],
    ['without pages', pdfBytes([]), /^a PDF without pages$/],
  ])('%s are unreadable, and the next one is read', async (_, bytes, reason) => {
    const folder = imageFolder();
    const { signal } = new AbortController();
    const reader = createReader({ decode: true, pdfDpi: 150, run: nothingThere, signal });
    const open = (name: string, content: Uint8Array) =>
      reader.read({ path: name, absolute: folder.add(name, content), bytes: content.length });
    expect(await open('a.pdf', bytes)).toEqual([
      { path: 'a.pdf', reason: expect.stringMatching(reason) },
    ]);
    expect(await open('b.pdf', pdfBytes([A4]))).toHaveLength(1);
  });
});

describe('what cannot be read is an entry with its reason', () => {
  const only = async (name: string, content: string | Uint8Array) => {
    const entries = await read(name, content);
    expect(entries).toHaveLength(1);
    return (entries[0] as UnreadableInput).reason;
  };

  it.each([
    ['mp4, its table at the end', new Mp4OutputFormat({ fastStart: false })],
    ['mp4, its table first', new Mp4OutputFormat({ fastStart: 'in-memory' })],
    ['mp4 in pieces', new Mp4OutputFormat({ fastStart: 'fragmented' })],
    ['mov', new MovOutputFormat()],
    ['mkv', new MkvOutputFormat()],
  ] as const)('cut: %s', async (_, format) => {
    for (const parts of [{ video: film }, { video: film, audio: { packets: 100 } }]) {
      const bytes = await filmBytes({ format, ...parts });
      for (const share of [0.3, 0.6, 0.9, 0.99]) {
        expect(await only('film.mp4', cut(bytes, share)), String(share)).toMatch(
          /^(truncated|damaged)/,
        );
      }
    }
  });

  it.each([
    ['m4a', () => filmBytes({ format: new Mp4OutputFormat(), audio: { packets: 200 } })],
    ['wav', () => wavBytes({ frames: 16_000, rate: 16_000 })],
    ['flac', () => flacBytes(160_000)],
  ])('cut: %s', async (name, make) => {
    const bytes = await make();
    for (const share of [0.2, 0.5, 0.8]) {
      expect(await only(`clip.${name}`, cut(bytes, share))).toMatch(/^(truncated|damaged)/);
    }
  });

  it('a wave that was not finished has what is there of it', async () => {
    const bytes = wavBytes({ frames: 16_000, rate: 16_000 });
    bytes.writeUInt32LE(0xffff_ffff, 4);
    bytes.writeUInt32LE(0xffff_ffff, 40);
    expect(await read('live.wav', bytes)).toEqual([expect.objectContaining({ seconds: 1 })]);
  });

  it.each([
    ['nothing.png', '', 'the file is empty'],
    ['nothing.txt', '', 'the file is empty'],
    ['error.jpg', '<html><body>404</body></html>', 'its name says .jpg, and it holds text'],
    ['noise', Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 9]), /^neither an image, a sound/],
    ['old.txt', Buffer.from('na\xefve', 'latin1'), 'not UTF-8 text'],
    ['letter.docx', Buffer.from('PK\x03\x04\0\0\0\0'), /^a ZIP archive or an Office document/],
    ['wide.txt', Buffer.from('\ufeffhello', 'utf16le'), /^text in UTF-16/],
    [
      'logo.svg',
      '<?xml version="1.0"?>\n<!-- x -->\n<svg width="4" height="4"></svg>',
      /^SVG has no/,
    ],
  ])('%s', async (name, content, reason) => {
    expect(await only(name, content)).toMatch(reason);
  });

  it('a pipe that took the place of a file is not waited for', async () => {
    const { path } = imageFolder();
    const pipe = join(path, 'pipe.jpg');
    execFileSync('/usr/bin/env', ['mkfifo', pipe]);
    expect(await readFrom(pipe, 'pipe.jpg')).toEqual([
      { path: 'pipe.jpg', reason: 'not a regular file' },
    ]);
    expect(await readFrom(path, 'folder')).toEqual([
      { path: 'folder', reason: 'not a regular file' },
    ]);
    expect(await readFrom(join(path, 'gone'), 'gone')).toEqual([
      { path: 'gone', reason: 'no such file' },
    ]);
  });

  it.skipIf(process.getuid?.() === 0)('one that may not be read', async () => {
    const file = imageFolder().add('secret.png', 'x');
    chmodSync(file, 0);
    expect(await readFrom(file, 'secret.png')).toEqual([
      { path: 'secret.png', reason: 'no permission to read it' },
    ]);
  });

  it('stops when it is told to', async () => {
    const absolute = imageFolder().add('clip.mp3', mp3Bytes(10));
    const signal = AbortSignal.abort(new Error('enough'));
    const reader = createReader({ decode: false, pdfDpi: 150, run: nothingThere, signal });
    const file = { path: 'gone', absolute: `${absolute}.gone`, bytes: 1 };
    await expect(reader.read(file)).rejects.toThrow('enough');
  });
});

describe('texts', () => {
  it.each([
    'BMW is a car',
    'P1 is a format',
    'The free lunch',
    'RIFFRAFF',
    'GIF89 or not',
    'ID cards',
    '\tx',
  ])('%j is a text', async (text) => {
    expect(await read('note', text)).toEqual([expect.objectContaining({ modality: 'text', text })]);
  });

  it('may be cut by the head in the middle of a character', async () => {
    for (const shift of [0, 1, 2]) {
      const text = 'x'.repeat(shift) + '\u4e2d'.repeat(5000);
      expect(await read('long.txt', text)).toEqual([expect.objectContaining({ text })]);
    }
  });
});

describe('--decode', () => {
  it('passes what decodes', async () => {
    for (const format of ['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'] as const) {
      const bytes = await imageBytes({ width: 64, height: 48, format });
      expect(await read('p', bytes, { decode: true })).toEqual([
        expect.objectContaining({ width: 64, height: 48 }),
      ]);
    }
  });

  it('refuses pictures whose header is all that is sound', async () => {
    for (const format of ['png', 'jpeg', 'webp', 'tiff'] as const) {
      const whole = await imageBytes({ width: 640, height: 480, format });
      const bytes = cut(whole, 0.7);
      expect(await read('p', bytes, { decode: true }), format).toEqual([
        { path: 'p', reason: expect.stringMatching(/^(does not decode: .|its header is trunc)/) },
      ]);
    }
  });

  it('refuses a picture of 50,000 x 50,000 pixels without making room for it', async () => {
    const bytes = await imageBytes({ width: 8, height: 8, format: 'png' });
    bytes.writeUInt32BE(50_000, 16);
    bytes.writeUInt32BE(50_000, 20);
    expect(await read('p.png', bytes)).toEqual([expect.objectContaining({ width: 50_000 })]);
    expect(await read('p.png', bytes, { decode: true })).toEqual([
      { path: 'p.png', reason: expect.stringMatching(/^does not decode: .*pixel limit/) },
    ]);
  });

  it('needs ffmpeg for sound, and believes it', async () => {
    const clip = mp3Bytes(10);
    expect(await read('a.mp3', clip, { decode: true })).toEqual([
      { path: 'a.mp3', reason: expect.stringMatching(/need ffmpeg in PATH/) },
    ]);
    const answer =
      (stderr: string): RunCommand =>
      () =>
        Promise.resolve({ ...NOT_FOUND, code: stderr === '' ? 0 : 1, outcome: 'exited', stderr });
    expect(await read('a.mp3', clip, { decode: true, run: answer('') })).toEqual([
      expect.objectContaining({ modality: 'audio' }),
    ]);
    const run = answer('Header missing\nmore');
    expect(await read('a.mp3', clip, { decode: true, run })).toEqual([
      { path: 'a.mp3', reason: 'does not decode: Header missing' },
    ]);
  });
});

describe('lame', () => {
  it('the frame that says how many follow is no sound', async () => {
    const bytes = Buffer.concat([lameFrame(100, 0, 0), mp3Bytes(100)]);
    const [entry] = await read('a.mp3', bytes);
    expect((entry as EstimateInput).seconds).toBeCloseTo((100 * MP3_FRAME) / MP3_RATE, 9);
  });
});
