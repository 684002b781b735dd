import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, inject, it } from 'vitest';
import type { NewMedia, StoredMedia } from '../../src/serve/media/types.ts';
import type { Supervisor } from '../../src/serve/supervisor/supervisor.ts';
import { openStore, sha256 } from '../helpers/media-store.ts';
import { demoArgs, REAL_ENGINE } from '../helpers/serve-engine.ts';
import { supervise } from '../helpers/serve-supervisor.ts';

async function startEngine(args: readonly string[]): Promise<Supervisor> {
  const { supervisor } = supervise(REAL_ENGINE, { args: [...(await demoArgs()), ...args] });
  await supervisor.start();
  return supervisor;
}

async function photo(shade: number): Promise<NewMedia> {
  const background = { r: shade, g: 0, b: 0 };
  const create = { width: 336, height: 336, channels: 3, background } as const;
  const bytes = await sharp({ create }).png().toBuffer();
  const meta = { kind: 'image', format: 'png', width: 336, height: 336 } as const;
  return { key: sha256(String(shade)), bytes, meta };
}

/** Tokens by the engine's own count; an image that it cannot read is an error. */
async function countTokens(supervisor: Supervisor, media: StoredMedia | null): Promise<number> {
  const image = media === null ? [] : [{ type: 'image_url', image_url: { url: media.url } }];
  const content = [...image, { type: 'text', text: 'hi' }];
  const { statusCode, body } = await supervisor.engine!.request({
    path: '/v1/chat/completions/input_tokens',
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content }] }),
  });
  const answer = (await body.json()) as { input_tokens?: number };
  expect(statusCode, JSON.stringify(answer)).toBe(200);
  return answer.input_tokens ?? 0;
}

describe.skipIf(inject('llamaServer') === null)('media store and the real llama-server', () => {
  it('names its files as `file://` takes them: on disk, in memory, and inline', async () => {
    const store = await openStore();
    const supervisor = await startEngine(['--media-path', store.mediaPath ?? '']);
    const text = await countTokens(supervisor, null);
    const onDisk = await store.of('tenant').put(await photo(10));
    const blocked = await openStore();
    const other = await startEngine(['--media-path', blocked.mediaPath ?? '']);
    await writeFile(join(blocked.cacheDir, 'media', 'files'), '');
    const inMemory = await blocked.of('tenant').put(await photo(20));
    const none = await openStore({ cacheDir: null, memoryFolders: [] });
    const inline = await none.of('tenant').put(await photo(30));
    expect([onDisk, inMemory, inline].map(({ url }) => url.slice(0, 14))).toEqual([
      expect.stringMatching(/^file:\/\/[0-9a-f]{7}$/),
      'file://memory/',
      'data:image/png',
    ]);
    expect(await countTokens(supervisor, onDisk)).toBeGreaterThan(text + 570);
    expect(await countTokens(other, inMemory)).toBeGreaterThan(text + 570);
    expect(await countTokens(supervisor, inline)).toBeGreaterThan(text + 570);
  });
});
