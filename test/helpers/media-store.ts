import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import {
  openMediaStore,
  type MediaStoreOptions,
  type OpenMediaStore,
} from '../../src/serve/media-store/open.ts';
import type { NewMedia } from '../../src/serve/media/types.ts';
import { temporaryFolder } from './serve-supervisor.ts';

export type TestStore = OpenMediaStore & {
  readonly cacheDir: string;
  readonly memoryDir: string;
  readonly troubles: string[];
  /** Moves the store's clock on. */
  readonly wait: (ms: number) => void;
};

export async function openStore(options: Partial<MediaStoreOptions> = {}): Promise<TestStore> {
  const cacheDir = options.cacheDir ?? temporaryFolder();
  const memoryDir = options.memoryFolders?.[0] ?? temporaryFolder();
  const troubles: string[] = [];
  let time = Date.now();
  const store = await openMediaStore({
    cacheDir,
    maxBytes: 1_000_000,
    memoryFolders: [memoryDir],
    now: () => time,
    trouble: (what) => troubles.push(what),
    ...options,
  });
  onTestFinished(() => store.close());
  const wait = (ms: number) => (time += ms);
  return { ...store, cacheDir, memoryDir, troubles, wait };
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** An "image" whose file is `text`; its key is made from the text unless one is given. */
export function picture(text: string, size = { width: 8, height: 8 }, key = text): NewMedia {
  const meta = { kind: 'image', format: 'png', ...size } as const;
  return { key: sha256(key), bytes: Buffer.from(text), meta };
}
