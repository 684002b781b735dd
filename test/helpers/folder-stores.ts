import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { MediaStores, NewMedia, StoredMedia } from '../../src/serve/media/types.ts';

export type FolderStores = MediaStores & {
  /** To be the engine's `--media-path`. */
  readonly folder: string;
  readonly pinned: () => number;
  readonly puts: () => number;
};

/** Media stores in a folder that is gone when the test has finished: nothing is evicted. */
export function folderStores(): FolderStores {
  const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-media-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const contents = new Map<string, NewMedia>();
  const links = new Map<string, readonly string[]>();
  let pins = 0;
  let puts = 0;
  const pin = ({ key, bytes, meta }: NewMedia): StoredMedia => {
    let held = true;
    pins += 1;
    return {
      ...{ key, meta, bytes: bytes.length, url: `file://${key}` },
      release: () => {
        if (held) pins -= 1;
        held = false;
      },
    };
  };
  const store = {
    lookup: (rawKey: string) => {
      const found = (links.get(rawKey) ?? []).map((key) => contents.get(key)!);
      return Promise.resolve(links.has(rawKey) ? found.map(pin) : null);
    },
    put: (media: NewMedia) => {
      puts += 1;
      if (!contents.has(media.key)) writeFileSync(join(folder, media.key), media.bytes);
      contents.set(media.key, media);
      return Promise.resolve(pin(media));
    },
    link: (rawKey: string, keys: readonly string[]) => {
      links.set(rawKey, keys);
      return Promise.resolve();
    },
  };
  return { of: () => store, folder, pinned: () => pins, puts: () => puts };
}
