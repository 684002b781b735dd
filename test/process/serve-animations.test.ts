import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { small } from '../helpers/encoders.ts';
import { servePair } from '../helpers/serve-pair.ts';
import { temporaryFolder } from '../helpers/serve-supervisor.ts';
import { writeSmallPair } from '../helpers/small-pair.ts';

const ffmpegCan = spawnSync('ffmpeg', ['-v', 'quiet', '-encoders'], { encoding: 'utf8' });
const has = (encoder: string) => ffmpegCan.status === 0 && ffmpegCan.stdout.includes(encoder);
const ready =
  inject('llamaServer') !== null && ['gif', 'apng', 'libwebp_anim', 'libaom-av1'].every(has);

/** Ten frames in one second, of which a film keeps four. */
const FILES = {
  gif: ['-f', 'gif'],
  apng: ['-f', 'apng'],
  webp: ['-c:v', 'libwebp_anim', '-f', 'webp'],
  avif: ['-c:v', 'libaom-av1', '-cpu-used', '8', '-f', 'avif'],
} as const;

async function sent(url: string, type: 'image_url' | 'video_url', bytes: Buffer) {
  const part = { type, [type]: { url: `data:;base64,${bytes.toString('base64')}` } };
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: [part] }], max_tokens: 1 }),
  });
  const text = await response.text();
  const [, size, tokens] = (response.headers.get('x-mmdeploy-image') ?? '').split(';');
  return { status: response.status, size, tokens, text };
}

describe.skipIf(!ready)('animations in the real engine', () => {
  it('are one picture, or a film where they are sent as one', async () => {
    const folder = temporaryFolder();
    const dims = small({ projectorType: 'qwen2vl_merger', merge: 2, imageSize: 560 });
    const { url } = await servePair(await writeSmallPair(folder, dims, [], null, 'qwen2vl'));
    const source = ['-f', 'lavfi', '-i', 'testsrc=size=96x64:rate=10:duration=1'];
    for (const [name, output] of Object.entries(FILES)) {
      const path = join(folder, name);
      execFileSync('ffmpeg', ['-v', 'error', '-nostdin', ...source, ...output, path]);
      const bytes = readFileSync(path);
      const picture = await sent(url, 'image_url', bytes);
      if (name === 'avif') {
        expect(picture.status).toBe(400);
        expect(picture.text).toContain('send a still');
      } else {
        // 4 x 3 patches of 28 x 28, since 3 x 2 are too few for Qwen-VL, and two marks.
        expect({ name, ...picture }).toMatchObject({ status: 200, size: '96x64', tokens: '14tok' });
      }
      const film = await sent(url, 'video_url', bytes);
      if (name === 'webp') {
        expect(film).toMatchObject({ status: 400 });
        expect(film.text).toContain('send MP4 or GIF');
      } else expect({ name, ...film }).toMatchObject({ status: 200, size: '96x64x4' });
    }
    const still = ['-frames:v', '1', '-f', 'gif', join(folder, 'still')];
    execFileSync('ffmpeg', ['-v', 'error', '-nostdin', ...source, ...still]);
    expect(await sent(url, 'video_url', readFileSync(join(folder, 'still')))).toMatchObject({
      ...{ status: 200, size: '96x64', tokens: '14tok' },
    });
  });
});
