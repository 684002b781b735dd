import { createMediaPreparer } from '../../src/serve/media/prepare.ts';
import type { MediaPreparerOptions } from '../../src/serve/media/prepare.ts';
import { DEFAULT_MEDIA_LIMITS } from '../../src/serve/media/limits.ts';
import type { MediaRules } from '../../src/serve/media/rules.ts';
import type { MediaKind, MediaPart } from '../../src/serve/seams.ts';
import { findTokenRule } from '../../src/tokens/rules/index.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../src/tokens/settings.ts';
import type { FolderStores } from './folder-stores.ts';
import { folderStores } from './folder-stores.ts';

/** A model that sees as LLaVA 1.5 does, 576 tokens a picture, and hears. */
export function llavaRules(): MediaRules {
  const rule = findTokenRule('fixed-grid')!.bind({ imageSize: 336, patchSize: 14 });
  const settings = DEFAULT_TOKEN_SETTINGS;
  return {
    image: { rule, settings },
    imageTokens: (size) => ({
      media: rule.count(size, settings).tokens,
      wrapper: 0,
      confidence: 'formula',
    }),
    filmTokens: ({ frames, ...size }) => ({
      media: frames * rule.count(size, settings).tokens,
      wrapper: 20,
      confidence: 'formula',
    }),
    contextTokens: null,
    audioTokens: () => null,
    blind: null,
    deaf: null,
    fingerprint: 'llava',
  };
}

/** A thread cannot run TypeScript: tests take the built one, as the program does. */
const WORKER = new URL('../../dist/serve/media/worker/decode-worker.js', import.meta.url);

type Preparing = {
  readonly stores: FolderStores;
  readonly prepare: (
    parts: readonly (Buffer | MediaPart)[],
    tenant?: string,
    signal?: AbortSignal,
  ) => ReturnType<ReturnType<typeof createMediaPreparer>['prepare']>;
};

/** A preparer with a store of its own. */
export function preparing(options: Partial<MediaPreparerOptions> = {}): Preparing {
  const stores = folderStores();
  const preparer = createMediaPreparer({
    stores,
    rules: llavaRules(),
    limits: { ...DEFAULT_MEDIA_LIMITS, maxRemoteBytes: 1024 * 1024 },
    remote: null,
    workerFile: WORKER,
    observer: { stage: () => undefined, mediaBytes: () => undefined },
    ...options,
  });
  return {
    stores,
    prepare: (parts, tenant = 'anonymous', signal = new AbortController().signal) =>
      preparer.prepare(
        parts.map((part, index) => (Buffer.isBuffer(part) ? sent(part, 'image', index) : part)),
        tenant,
        signal,
      ),
  };
}

/** A medium as it stands in a message. */
export function sent(bytes: Buffer, kind: MediaKind, index = 0): MediaPart {
  return { kind, place: `messages[0].content[${index}]`, source: { kind: 'bytes', bytes } };
}
