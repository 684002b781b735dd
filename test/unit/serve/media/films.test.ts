import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { mostFrames } from '../../../../src/serve/media/frame-limit.ts';
import { DEFAULT_MEDIA_LIMITS } from '../../../../src/serve/media/limits.ts';
import { llavaRules, preparing, sent } from '../../../helpers/media-preparer.ts';
import { temporaryFolder } from '../../../helpers/serve-supervisor.ts';

const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0;
const takesFilms = () => Promise.resolve(true);

function ffmpeg(args: readonly string[], input?: Uint8Array): Buffer {
  const options = { maxBuffer: 1e8, ...(input === undefined ? {} : { input }) };
  return spawnSync('ffmpeg', ['-v', 'error', ...args, 'pipe:1'], options).stdout;
}

const filmOf = (source: string, more: readonly string[] = []) =>
  ffmpeg(['-f', 'lavfi', '-i', source, ...more, '-c:v', 'mpeg4', '-q:v', '2', '-f', 'matroska']);

test('as many frames are made as the length and a slot allow', () => {
  const rules = { ...llavaRules(), contextTokens: 4096 };
  const size = { width: 64, height: 48 };
  expect(mostFrames(size, 60, { ...rules, contextTokens: null })).toBe(240);
  expect(mostFrames(size, 1.3, rules)).toBe(5);
  // 576 tokens each, and 20 for the texts.
  expect(mostFrames(size, 60, rules)).toBe(7);
  expect(mostFrames(size, 60, { ...rules, contextTokens: 500 })).toBe(0);
  expect(mostFrames(size, 60, { ...rules, filmTokens: () => null })).toBe(240);
});

describe.skipIf(!hasFfmpeg)('a film for an engine that reads films', () => {
  it('is one file with the pixels of its frames, known the second time', async () => {
    const { prepare, stores } = preparing({ takesFilms });
    const film = filmOf('testsrc=s=64x48:r=25:d=3');
    const [first] = await prepare([sent(film, 'video')]);
    expect(first).toEqual([
      expect.objectContaining({
        ...{ kind: 'video', size: { width: 64, height: 48 }, frames: 12, seconds: null },
        ...{ tokens: { media: 6912, wrapper: 20, confidence: 'formula' }, known: false },
      }),
    ]);
    const made = readFileSync(join(stores.folder, first![0]!.key));
    const raw = ['-f', 'rawvideo', '-pix_fmt', 'rgb24'];
    const seen = ffmpeg(['-i', 'pipe:0', '-vf', 'fps=4', ...raw], made);
    const meant = ffmpeg(['-i', 'pipe:0', '-vf', 'fps=4', ...raw], film);
    expect(seen.length).toBe(64 * 48 * 3 * 12);
    expect(seen.equals(meant)).toBe(true);
    expect(seen.subarray(0, 9216).equals(seen.subarray(9216, 2 * 9216))).toBe(false);

    const [second] = await prepare([sent(film, 'video')]);
    expect(second).toMatchObject([{ key: first![0]!.key, known: true }]);
    expect(stores.puts()).toBe(1);
    for (const each of [...first!, ...second!]) each.release();
    expect(stores.pinned()).toBe(0);
  });

  it('is no larger than the model sees', async () => {
    const { prepare } = preparing({ takesFilms });
    const [made] = await prepare([sent(filmOf('testsrc=s=1280x720:r=5:d=1'), 'video')]);
    const { width, height } = made![0]!.size!;
    expect(width).toBeLessThan(700);
    expect(width / height).toBeCloseTo(1280 / 720, 1);
  });

  /** Matroska of a pipe does not say how long it is; of a file it does. */
  const cutShort = (film: Buffer) => {
    const path = join(temporaryFolder(), 'film.mkv');
    spawnSync('ffmpeg', ['-v', 'error', '-i', 'pipe:0', '-c', 'copy', path], { input: film });
    return readFileSync(path).subarray(0, 3000);
  };
  const seconds = (d: number) => filmOf(`testsrc=s=64x48:r=25:d=${d}`);
  it.each([
    ['shorter than an eighth of a second', () => seconds(0.1), 400, /no frame is left/],
    ['cut short', () => cutShort(seconds(2)), 400, /./],
    ['damaged', () => Buffer.from(seconds(1)).fill(0x5a, 2000, 6000), 400, /does not decode/],
    ['over the limit', () => seconds(3), 413, /`--max-video-seconds`/],
    [
      'of sound alone',
      () => ffmpeg(['-f', 'lavfi', '-i', 'sine=d=1', '-c:a', 'pcm_s16le', '-f', 'matroska']),
      400,
      /no pictures in it: send it as `input_audio`/,
    ],
  ])('%s is refused, and nothing stays pinned', async (_, film, status, message) => {
    const limits = { ...DEFAULT_MEDIA_LIMITS, maxVideoSeconds: 2, maxRemoteBytes: 0 };
    const { prepare, stores } = preparing({ takesFilms, limits });
    await expect(prepare([sent(film(), 'video')])).rejects.toMatchObject({
      status,
      message: expect.stringMatching(message) as string,
    });
    expect(stores.pinned()).toBe(0);
  });

  it('that fits into no slot is refused before the engine sees it', async () => {
    const rules = { ...llavaRules(), contextTokens: 4096 };
    const { prepare, stores } = preparing({ takesFilms, rules });
    await expect(prepare([sent(seconds(3), 'video')])).rejects.toMatchObject({
      status: 413,
      message: expect.stringMatching(/more than 7 frames of 64x48.*4096 tokens.*`--context`/),
    });
    expect(stores.puts()).toBe(0);
  });
});

it.skipIf(process.platform === 'win32')('no key or token of ours is there', async () => {
  const folder = temporaryFolder();
  const spy = join(folder, 'ffmpeg');
  writeFileSync(spy, `#!/bin/sh\nenv > ${folder}/env\nexit 1\n`);
  chmodSync(spy, 0o700);
  process.env['SOME_TOKEN'] = 'secret';
  const { prepare } = preparing({ ffmpeg: spy, takesFilms });
  const head = Buffer.from('1a45dfa3', 'hex');
  const film = Buffer.concat([head, Buffer.from('....matroska'), Buffer.alloc(64)]);
  await expect(prepare([sent(film, 'video')])).rejects.toMatchObject({ status: 400 });
  delete process.env['SOME_TOKEN'];
  const env = readFileSync(join(folder, 'env'), 'utf8');
  expect(env).toContain('PATH=');
  expect(env).not.toContain('secret');
});
