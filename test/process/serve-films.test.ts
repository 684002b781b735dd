import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Estimate } from '../../src/contracts/estimate.ts';
import { mmdeploy } from '../helpers/cli.ts';
import { small } from '../helpers/encoders.ts';
import { servePair } from '../helpers/serve-pair.ts';
import { writeSmallPair } from '../helpers/small-pair.ts';

const ffmpegCan = spawnSync('ffmpeg', ['-v', 'quiet', '-encoders'], { encoding: 'utf8' });
const hasFilms = ffmpegCan.status === 0 && ffmpegCan.stdout.includes('libx264');
const ready = inject('llamaServer') !== null && hasFilms;

const H264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'];
const VP8 = ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '16'];

/** A film of bars that move; what is written after `-i` decides the rest. */
function film(path: string, source: string, ...output: readonly string[]): string {
  const input = ['-f', 'lavfi', '-i', source];
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...input, ...output, path]);
  return path;
}

const bars = (size: string, rate: string, seconds: number) =>
  `testsrc=size=${size}:rate=${rate}:duration=${seconds}`;

/** A phone's film: coded on its side, with a note to turn it. FFmpeg 6 has a flag for it, 5 takes metadata. */
function turned(from: string, to: string): string {
  const run = (args: readonly string[]) =>
    execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args, to], { stdio: 'pipe' });
  try {
    run(['-display_rotation', '90', '-i', from, '-c', 'copy']);
  } catch {
    run(['-i', from, '-c', 'copy', '-metadata:s:v:0', 'rotate=90']);
  }
  return to;
}

/** Frames at 25 a second, of which some are left out: each lasts as long as it does. */
const VARIABLE = ['-vf', "select='not(between(n,5,20))+not(mod(n,7))'", '-vsync', 'vfr'];

function films(folder: string): readonly string[] {
  const at = (name: string) => join(folder, name);
  const upright = film(at('3s.mp4'), bars('128x96', '25', 3), ...H264);
  return [
    upright,
    turned(upright, at('turned.mp4')),
    film(at('6s.mkv'), bars('80x120', '30000/1001', 6), ...H264, '-bf', '2'),
    film(at('2s.webm'), bars('96x64', '15', 2), ...VP8),
    film(at('1s.mov'), bars('128x128', '24', 1), ...H264),
    film(at('odd.mkv'), bars('101x77', '10', 2), '-c:v', 'ffv1', '-pix_fmt', 'bgr0'),
    film(at('0.2s.mp4'), bars('64x64', '25', 0.2), ...H264),
    film(at('11s.mp4'), bars('64x48', '5', 11), ...H264),
    film(at('variable.mkv'), bars('96x96', '25', 2), ...VARIABLE, ...H264),
    film(at('large.mp4'), bars('640x480', '10', 0.3), ...H264),
    film(at('4s.avi'), bars('80x60', '25', 4), '-c:v', 'mpeg4'),
    film(at('5.1s.ts'), bars('64x64', '25', 5.1), '-c:v', 'mpeg2video'),
  ];
}

type Pair = { readonly model: string; readonly mmproj: string };
type Answer = { readonly status: number; readonly image: string | null; readonly body: Body };
type Body = {
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly prompt_tokens_details: { image_tokens?: number; cached_tokens?: number };
  };
  readonly error?: { readonly message: string; readonly code: string };
};

function bodyOf(bytes: Buffer, words: string) {
  const part = {
    type: 'video_url',
    video_url: { url: `data:;base64,${bytes.toString('base64')}` },
  };
  const content = [part, { type: 'text', text: words }];
  return { messages: [{ role: 'user', content }], max_tokens: 1 };
}

const post = (url: string, body: unknown) =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

async function ask(url: string, bytes: Buffer, words = 'x'): Promise<Answer> {
  const response = await post(`${url}/v1/chat/completions`, bodyOf(bytes, words));
  const image = response.headers.get('x-mmdeploy-image');
  return { status: response.status, image, body: (await response.json()) as Body };
}

const TIMEOUT_MS = 120_000;

async function expectEstimated(pair: Pair, paths: readonly string[]): Promise<void> {
  const { url } = await servePair(pair);
  const argv = ['estimate', ...paths, '--model', pair.model, '--items', '-o', 'json'];
  const { stdout } = await mmdeploy(argv);
  const items = (JSON.parse(stdout) as Estimate).models[0]?.items ?? [];
  const served = [];
  for (const path of paths) {
    const { status, image, body } = await ask(url, readFileSync(path));
    const tokens = body.usage?.prompt_tokens_details.image_tokens;
    served.push({ input: path, tokens, status, said: /;(\d+)tok;/.exec(image ?? '')?.[1] });
  }
  expect(served).toEqual(
    items.map(({ input, tokens }) => ({ input, tokens, status: 200, said: `${tokens}` })),
  );
}

describe.skipIf(!ready)('films through the gateway and the real engine', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-serve-films-'));
  let paths: readonly string[] = [];
  let pair: Pair;
  beforeAll(async () => {
    mkdirSync(join(folder, 'films'));
    paths = films(join(folder, 'films'));
    // Joins pairs of frames, and counts a picture by its size.
    const dims = small({ projectorType: 'qwen2vl_merger', merge: 2, imageSize: 560 });
    pair = await writeSmallPair(folder, dims, [], null, 'qwen2vl');
  }, TIMEOUT_MS);
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it(
    'cost what `estimate` says of the files that were sent',
    () => expectEstimated(pair, paths),
    TIMEOUT_MS,
  );

  it(
    'cost each of their frames where the model joins none',
    async () => {
      const own = join(folder, 'llava');
      mkdirSync(own);
      const dims = small({ projectorType: 'mlp', imageSize: 84 });
      const [first = '', turnedOne = ''] = paths;
      await expectEstimated(await writeSmallPair(own, dims), [first, turnedOne]);
    },
    TIMEOUT_MS,
  );

  it(
    'are encoded once, counted like any prompt, and known by their pixels',
    async () => {
      const { url } = await servePair(pair);
      const [path = ''] = paths;
      const bytes = readFileSync(path);
      const first = await ask(url, bytes);
      const again = await ask(url, bytes, 'y');
      // Another file of the same frames.
      const other = join(folder, 'other.mkv');
      execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', path, '-c', 'copy', other]);
      const same = await ask(url, readFileSync(other), 'z');
      const [key = ''] = (first.image ?? '').split(';');
      expect(first.image).toMatch(/^[0-9a-f]{64};128x96x12;\d+tok;hit=none;encode_ms=\d+$/);
      expect(again.image).toMatch(new RegExp(`^${key};.*;hit=kv$`));
      expect(same.image).toMatch(new RegExp(`^${key};.*;hit=kv$`));
      const { cached_tokens: cached = 0, image_tokens: tokens = 0 } =
        again.body.usage?.prompt_tokens_details ?? {};
      expect(cached).toBeGreaterThanOrEqual(tokens);

      const estimated = await post(`${url}/mmdeploy/v1/estimate`, bodyOf(bytes, 'x'));
      expect(await estimated.json()).toMatchObject({
        total: first.body.usage?.prompt_tokens,
        confidence: 'exact',
      });
    },
    TIMEOUT_MS,
  );

  it(
    'that are bad, or too much for a slot, are refused with the reason',
    async () => {
      const { url } = await servePair(pair, { limits: { maxVideoSeconds: 5 } });
      const at = (name: string) => join(folder, 'films', name);
      const tiny = film(at('0.1s.mp4'), bars('64x64', '25', 0.1), ...H264);
      const large = film(at('4s.mkv'), bars('640x640', '5', 4), ...H264);
      const sound = film(at('sound.mp4'), 'sine=duration=1', '-c:a', 'aac');
      const whole = readFileSync(paths[0]!);
      const asked: [Buffer, number, RegExp][] = [
        [readFileSync(tiny), 400, /no frame is left/],
        [readFileSync(sound), 400, /no pictures in it: send it as `input_audio`/],
        [readFileSync(large), 413, /more than \d+ frames of 640x640.*4096 tokens.*`--context`/],
        [readFileSync(paths[2]!), 413, /`--max-video-seconds`/],
        [whole.subarray(0, whole.length / 2), 400, /truncated: \d+ of at least/],
        [Buffer.concat([whole.subarray(0, 200), Buffer.alloc(5000, 0x5a)]), 400, /./],
        [Buffer.alloc(3000, 0x5a), 400, /./],
      ];
      for (const [bytes, status, message] of asked) {
        const { body, ...answer } = await ask(url, bytes);
        expect({ status: answer.status, said: body.error?.message }).toEqual({
          status,
          said: expect.stringMatching(message) as string,
        });
      }
      expect((await ask(url, whole)).status).toBe(200);
    },
    TIMEOUT_MS,
  );

  it(
    'of ten minutes are served where limit and slot allow it',
    async () => {
      const { url } = await servePair(pair, {
        ...{ contextPerSlot: 32_768, limits: { maxVideoSeconds: 600 } },
      });
      const long = film(join(folder, 'films', 'long.mp4'), bars('32x32', '1', 600), ...H264);
      const estimated = await post(`${url}/mmdeploy/v1/estimate`, bodyOf(readFileSync(long), 'x'));
      const { stdout } = await mmdeploy(
        ['estimate', long, '--model', pair.model, '--items', '-o', 'json'],
        { cwd: folder },
      );
      const [item] = (JSON.parse(stdout) as Estimate).models[0]?.items ?? [];
      const { image, wrapper } = (await estimated.json()) as { image: number; wrapper: number };
      // One begin of text is written around it.
      expect(image + wrapper).toBe((item?.tokens ?? 0) + 1);
    },
    TIMEOUT_MS,
  );

  it(
    'are their frames to an engine whose ffprobe is broken',
    async () => {
      const bin = join(folder, 'bin');
      mkdirSync(bin);
      writeFileSync(join(bin, 'ffprobe'), '#!/bin/sh\nexit 1\n', { mode: 0o700 });
      const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}` };
      const { url } = await servePair(pair, { env });
      const { status, image } = await ask(url, readFileSync(paths[6]!));
      expect(status).toBe(200);
      expect(image).toMatch(/^[0-9a-f]{64};64x64;\d+tok;hit=none;encode_ms=\d+$/);
    },
    TIMEOUT_MS,
  );
});
