import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Estimate } from '../../src/contracts/estimate.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { mmdeploy } from '../helpers/cli.ts';
import { small } from '../helpers/encoders.ts';
import { engineCounts, fixedDraws } from '../helpers/exactness.ts';
import { startLlama } from '../helpers/llama.ts';
import { writeSmallPair } from '../helpers/small-pair.ts';

const llamaServer = inject('llamaServer');
const ffmpegCan = spawnSync('ffmpeg', ['-v', 'quiet', '-encoders'], { encoding: 'utf8' });
const ready =
  llamaServer !== null && ffmpegCan.status === 0 && ffmpegCan.stdout.includes('libx264');

/** Seconds of films that are given by hand: none, one and two frames, both sides of a timestamp. */
const LENGTHS = [0.1, 0.12, 0.2, 0.3, 0.36, 0.4, 1, 4.9, 5, 5.1, 5.2, 10, 10.2];
const RATES = ['1', '5', '10', '25/2', '24000/1001', '24', '25', '30000/1001', '30', '60'];
/** A codec that each container is found with. */
const CONTAINERS = {
  mp4: ['-c:v', 'libx264', '-preset', 'ultrafast'],
  mkv: ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2'],
  webm: ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '16'],
  avi: ['-c:v', 'mpeg4'],
  ts: ['-vf', 'fps=25', '-c:v', 'mpeg2video'],
} as const;
type Container = keyof typeof CONTAINERS;

type Film = { container: Container; width: number; height: number; rate: string; seconds: number };

/** Films that were drawn, the same in every run. */
function films(): Film[] {
  const draw = fixedDraws(4_711);
  const names = Object.keys(CONTAINERS) as Container[];
  const even = () => 2 * (16 + Math.floor(draw() * 100));
  const pick = <T>(of: readonly T[]): T => of[Math.floor(draw() * of.length)]!;
  const given = LENGTHS.map((seconds) => ({ seconds, rate: '25' }));
  const drawn = Array.from({ length: 30 }, () => {
    const rate = pick(RATES);
    return { rate, seconds: Math.round(100 * (0.5 + draw() * 6)) / 100 };
  });
  return [...given, ...drawn].map((each, at) => {
    return { ...each, container: names[at % names.length]!, width: even(), height: even() };
  });
}

function ffmpeg(args: readonly string[]): void {
  const all = ['-v', 'error', '-nostdin', '-threads', '2', ...args];
  execFileSync('ffmpeg', all, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** FFmpeg 6 has a flag for it, 5 takes it as metadata. */
function turn(from: string, to: string): void {
  try {
    ffmpeg(['-display_rotation', '90', '-i', from, '-c', 'copy', to]);
  } catch {
    ffmpeg(['-i', from, '-c', 'copy', '-metadata:s:v:0', 'rotate=90', to]);
  }
}

/** What is sent as a picture and is none is taken for a film. */
const filmPart = (path: string) => {
  const url = `data:video/mp4;base64,${readFileSync(path).toString('base64')}`;
  return { type: 'image_url', image_url: { url } };
};

/** Each request starts ffprobe and ffmpeg. */
const TIMEOUT_MS = 180_000;

describe.skipIf(!ready)('films as the real engine takes frames of them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-films-'));
  const paths = films().map(({ container }, at) => join(folder, 'films', `${at}.${container}`));
  beforeAll(() => {
    mkdirSync(join(folder, 'films'));
    for (const [at, { container, width, height, rate, seconds }] of films().entries()) {
      const source = `testsrc=size=${width}x${height}:rate=${rate}:duration=${seconds}`;
      const pixels = ['-pix_fmt', 'yuv420p', paths[at]!];
      ffmpeg(['-f', 'lavfi', '-i', source, ...CONTAINERS[container], ...pixels]);
    }
    // The one of 0.4 s is an MP4 file.
    const turned = join(folder, 'films', 'turned.mp4');
    turn(paths[5]!, turned);
    paths.push(turned);
  }, TIMEOUT_MS);
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  const FAMILIES: [string, EncoderDims, 'llama' | 'qwen2vl'][] = [
    ['Qwen2-VL', small({ projectorType: 'qwen2vl_merger', merge: 2, imageSize: 560 }), 'qwen2vl'],
    ['LLaVA', small({ projectorType: 'mlp', imageSize: 336 }), 'llama'],
  ];
  it.each(FAMILIES)(
    '%s',
    async (name, dims, arch) => {
      const own = join(folder, name);
      mkdirSync(own);
      const { model, mmproj } = await writeSmallPair(own, dims, [], null, arch);
      const argv = ['estimate', ...paths, '--model', model, '--items', '-o', 'json'];
      const { stdout, stderr } = await mmdeploy(argv, { cwd: folder });
      expect(stderr).not.toContain('error');
      const items = (JSON.parse(stdout) as Estimate).models[0]?.items ?? [];
      const ours = items.map(({ input, tokens }) => ({ input, tokens }));
      const args = ['-m', model, '--mmproj', mmproj, '-c', '4096', '-np', '1', '--no-warmup'];
      const llama = await startLlama(llamaServer!, args);
      try {
        const counts = await engineCounts(
          llama,
          paths.map((path) => () => Promise.resolve(filmPart(path))),
        );
        expect(ours).toEqual(paths.map((input, at) => ({ input, tokens: counts[at] })));
      } finally {
        await llama.stop();
      }
    },
    TIMEOUT_MS,
  );
});
