import type { PromptEstimate } from '../../contracts/ask.ts';
import { CONFIDENCES, type Confidence } from '../../contracts/basis.ts';
import { chatContent } from './chat-images.ts';

type ImageSize = { readonly width: number; readonly height: number };

/** Tokens of one image: its own, and those of the marks around it (`<|vision_start|>` …). */
type ImageCount = {
  readonly image: number;
  readonly wrapper: number;
  readonly confidence: Confidence;
};

/** How images are counted for the served model; null means unknown, never 0. */
export type ImageCounting = {
  /** Size in pixels as the engine will decode it, told from a file's header. */
  readonly imageSizeOf: (file: Buffer) => ImageSize | null;
  readonly countImage: (size: ImageSize) => ImageCount | null;
};

/** The three calls of the engine that an estimate needs; none of them runs the model. */
export type PromptEngine = {
  /** The chat request rendered by the model's own template (`/apply-template`). */
  readonly render: (request: Readonly<Record<string, unknown>>) => Promise<string>;
  /** `/tokenize`, with special tokens parsed; `addSpecial` adds begin and end of text. */
  readonly countTokens: (text: string, addSpecial: boolean) => Promise<number>;
  /** What stands for a medium in a rendered prompt; it is another one at each start. */
  readonly mediaMarker: () => Promise<string>;
};

/**
 * Counts a chat request as llama.cpp (mtmd_tokenize) will: the rendered prompt is split at the media
 * markers, each piece is tokenised by itself (with a SentencePiece vocabulary that is not the same
 * as tokenising the whole), begin of text is added once, and each image adds its own tokens.
 */
export async function estimatePrompt(
  request: Readonly<Record<string, unknown>>,
  engine: PromptEngine,
  counting: ImageCounting,
): Promise<PromptEstimate> {
  const { texts, media, light } = chatContent(request);
  const [prompt, marker] = await Promise.all([engine.render(light), engine.mediaMarker()]);
  const pieces = prompt.split(marker);
  const [added, ownText, ...counts] = await Promise.all([
    engine.countTokens('', true),
    engine.countTokens(texts.join('\n'), false),
    ...pieces.map((piece) => engine.countTokens(piece, false)),
  ]);
  const written = counts.reduce((sum, count) => sum + count, added);
  const text = Math.min(ownText, written);
  const images = countImages(media, counting);
  // As many markers as media, else this is not how the engine reads the request.
  if (images === null || pieces.length - 1 !== media.length) {
    return { text, image: null, wrapper: null, total: null, confidence: 'unknown' };
  }
  return {
    text,
    image: images.image,
    wrapper: written - text + images.wrapper,
    total: written + images.image + images.wrapper,
    confidence: images.confidence,
  };
}

function countImages(
  media: readonly (Buffer | null)[],
  counting: ImageCounting,
): ImageCount | null {
  let sum: ImageCount = { image: 0, wrapper: 0, confidence: 'exact' };
  for (const file of media) {
    const size = file === null ? null : counting.imageSizeOf(file);
    const count = size === null ? null : counting.countImage(size);
    if (count === null) return null;
    sum = {
      image: sum.image + count.image,
      wrapper: sum.wrapper + count.wrapper,
      confidence: weaker(sum.confidence, count.confidence),
    };
  }
  return sum;
}

function weaker(a: Confidence, b: Confidence): Confidence {
  return CONFIDENCES.indexOf(a) > CONFIDENCES.indexOf(b) ? a : b;
}
