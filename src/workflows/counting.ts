import { imageHeaderOf } from '../estimate/read/image-header.ts';
import type { ImageCounting } from '../serve/gateway/estimate-prompt.ts';
import { findTokenRule } from '../tokens/rules/index.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../tokens/settings.ts';
import { countWrapper } from '../tokens/text/chat.ts';
import { vocabularyOf } from '../tokens/text/vocabulary.ts';
import type { LoadedModel } from './model.ts';

export type CountingSettings = {
  readonly imageMaxTokens: number | null;
  readonly ubatch: number | null;
};

/** How the gateway counts the images of the model it serves: the same rule that plan and estimate use. */
export function imageCounting(
  { source, headers }: LoadedModel,
  settings: CountingSettings,
): ImageCounting {
  const use = source.model.imageTokens['llama.cpp'];
  const rule = use === undefined ? undefined : findTokenRule(use.rule)?.bind(use.params);
  const vocabulary = headers === null ? null : vocabularyOf(headers.model.metadata);
  const wrapper =
    use === undefined || vocabulary?.kind !== 'vocabulary'
      ? (use?.wrapper.tokens ?? 0)
      : countWrapper(use.wrapper.begin, vocabulary) + countWrapper(use.wrapper.end, vocabulary);
  return {
    imageSizeOf: (file) => {
      const header = imageHeaderOf(file);
      if (header.kind !== 'image') return null;
      // llama-server ignores EXIF: it sees the pixels as they are stored.
      return header.turned
        ? { width: header.height, height: header.width }
        : { width: header.width, height: header.height };
    },
    countImage: (size) => {
      if (rule === undefined) return null;
      const { tokens } = rule.count(size, { ...DEFAULT_TOKEN_SETTINGS, ...settings });
      return { image: tokens, wrapper, confidence: 'formula' };
    },
  };
}

/**
 * Counts as the engine that runs now does: one that ran out of memory was told a lower cap (null: it was
 * not), and every image takes as much less.
 */
export function followingCounting(
  planned: ImageCounting,
  countingWith: (imageMaxTokens: number) => ImageCounting,
  currentCap: () => number | null,
): ImageCounting {
  return {
    imageSizeOf: planned.imageSizeOf,
    countImage: (size) => {
      const cap = currentCap();
      return (cap === null ? planned : countingWith(cap)).countImage(size);
    },
  };
}
