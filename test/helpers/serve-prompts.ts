import { decodeBase64 } from '../../src/serve/gateway/base64.ts';
import { DEFAULT_QUARANTINE, Quarantine } from '../../src/serve/quarantine.ts';
import { quietObserver } from '../../src/serve/observe/quiet.ts';
import type { PromptOptions } from '../../src/serve/gateway/gateway.ts';
import type { MediaPart, PreparedMedia } from '../../src/serve/seams.ts';

/** The way of a prompt without firewall, store and queue: media as they are, always the first slot. */
export function plainPrompts(overrides: Partial<PromptOptions> = {}): PromptOptions {
  return {
    imageOrder: 'as-sent',
    preparer: {
      prepare: (parts) => Promise.resolve(parts.map((part) => [asSent(part)])),
    },
    witness: { check: () => Promise.resolve(null) },
    turns: {
      take: () =>
        Promise.resolve({
          slot: 0,
          held: 0,
          media: 'none',
          queuedMs: 0,
          encodeMs: null,
          begun: () => undefined,
          end: () => undefined,
        }),
    },
    observer: quietObserver(() => undefined),
    quarantine: new Quarantine(DEFAULT_QUARANTINE, () => performance.now()),
    ...overrides,
  };
}

function asSent({ kind, source, place }: MediaPart): PreparedMedia {
  if (source.kind === 'remote') throw new Error(`${place} is an address`);
  const bytes =
    source.kind === 'bytes' ? source.bytes : decodeBase64(source.text.toString('latin1'), place);
  return {
    kind: kind === 'audio' ? 'audio' : 'image',
    key: bytes.toString('hex').slice(0, 64),
    url: `data:image/png;base64,${bytes.toString('base64')}`,
    size: kind === 'audio' ? null : { width: 1, height: 1 },
    seconds: kind === 'audio' ? 1 : null,
    tokens: { media: 576, wrapper: 0, confidence: 'exact' },
    known: false,
    release: () => undefined,
  };
}
