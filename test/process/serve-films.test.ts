import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
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
    film(at('0.36s.mp4'), bars('64x64', '25', 0.36), ...H264),
    film(at('11s.mp4'), bars('64x48', '5', 11), ...H264),
    film(at('variable.mkv'), bars('96x96', '25', 2), ...VARIABLE, ...H264),
    film(at('large.mp4'), bars('640x480', '10', 0.3), ...H264),
    film(at('4s.avi'), bars('80x60', '25', 4), '-c:v', 'mpeg4'),
    film(at('5.1s.ts'), bars('64x64', '25', 5.1), '-c:v', 'mpeg2video'),
  ];
}

type Answer = { readonly status: number; readonly image: string | null; readonly body: Body };
type Body = {
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly prompt_tokens_details: { image_tokens?: number; cached_tokens?: number };
  };
  readonly error?: { readonly message: string; readonly code: string };
};

async function ask(url: string, bytes: Buffer, words = 'x'): Promise<Answer> {
  const part = {
    type: 'video_url',
    video_url: { url: `data:;base64,${bytes.toString('base64')}` },
  };
  const content = [part, { type: 'text', text: words }];
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content }], max_tokens: 1 }),
  });
  const image = response.headers.get('x-mmdeploy-image');
  return { status: response.status, image, body: (await response.json()) as Body };
}

const TIMEOUT_MS = 120_000;

describe.skipIf(!ready)('films through the gateway and the real engine', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-serve-films-'));
  let paths: readonly string[] = [];
  let pair: { model: string; mmproj: string };
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
    async () => {
      const serving = await servePair(pair, { contextPerSlot: 4096 });
      const { stdout } = await mmdeploy(
        ['estimate', ...paths, '--model', pair.model, '--items', '-o', 'json'],
        { cwd: folder },
      );
      const items = (JSON.parse(stdout) as Estimate).models[0]?.items ?? [];
      const served = [];
      for (const path of paths) {
        const { status, image, body } = await ask(serving.url, readFileSync(path));
        const tokens = body.usage?.prompt_tokens_details.image_tokens;
        served.push({ input: path, tokens, status, said: /;(\d+)tok;/.exec(image ?? '')?.[1] });
      }
      expect(served).toEqual(
        items.map(({ input, tokens }) => ({ input, tokens, status: 200, said: `${tokens}` })),
      );
    },
    TIMEOUT_MS,
  );
});
