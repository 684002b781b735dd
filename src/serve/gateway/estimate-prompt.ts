import type { PromptEstimate } from '../../contracts/ask.ts';
import { CONFIDENCES, type Confidence } from '../../contracts/basis.ts';
import type { MediaTokens, PreparedMedia } from '../seams.ts';
import type { TakenApart } from './chat/taken-apart.ts';
import { asArray, fieldOf, type Json } from './json.ts';

/** The three calls of the engine that an estimate needs; none of them runs the model. */
export type PromptEngine = {
  /** The chat request rendered by the model's own template (`/apply-template`). */
  readonly render: (request: Json) => Promise<string>;
  /** `/tokenize`, with special tokens parsed; `addSpecial` adds begin and end of text. */
  readonly countTokens: (text: string, addSpecial: boolean) => Promise<number>;
  /** What stands for a medium in a rendered prompt; it is another one at each start. */
  readonly mediaMarker: () => Promise<string>;
};

/** Valid base64 that is never decoded: enough to render a prompt. */
const PLACEHOLDERS = {
  image: { kind: 'image', url: 'data:image/png;base64,AA==' },
  audio: { kind: 'audio', url: 'data:audio/wav;base64,AA==' },
} as const;

/**
 * Counts a chat request as llama.cpp (mtmd_tokenize) will: the rendered prompt is split at the media
 * markers, each piece is tokenised by itself (with a SentencePiece vocabulary that is not the same
 * as tokenising the whole), begin of text is added once, and each medium adds its own tokens.
 */
export async function estimatePrompt(
  request: Json,
  taken: Pick<TakenApart, 'putBack'>,
  media: readonly (readonly Pick<PreparedMedia, 'kind' | 'tokens'>[])[],
  engine: PromptEngine,
): Promise<PromptEstimate> {
  const [{ written, markers }, ownText] = await Promise.all([
    countWritten(taken, media, engine),
    engine.countTokens(ownTexts(request).join('\n'), false),
  ]);
  const text = Math.min(ownText, written);
  const flat = media.flat();
  const sum = sumTokens(flat);
  // As many markers as media, else this is not how the engine reads the request.
  if (sum === null || markers !== flat.length) {
    return { text, image: null, wrapper: null, total: null, confidence: 'unknown' };
  }
  return {
    text,
    image: sum.media,
    wrapper: written - text + sum.wrapper,
    total: written + sum.media + sum.wrapper,
    confidence: sum.confidence,
  };
}

/** Tokens of everything in a rendered prompt but its media, and how many places it has for those. */
export async function countWritten(
  taken: Pick<TakenApart, 'putBack'>,
  media: readonly (readonly Pick<PreparedMedia, 'kind'>[])[],
  engine: PromptEngine,
): Promise<{ readonly written: number; readonly markers: number }> {
  const light = taken.putBack(
    media.map((files) => files.map(({ kind }) => PLACEHOLDERS[kind === 'audio' ? kind : 'image'])),
  );
  const [prompt, marker] = await Promise.all([engine.render(light), engine.mediaMarker()]);
  const pieces = prompt.split(marker);
  const counts = await Promise.all([
    engine.countTokens('', true),
    ...pieces.map((piece) => engine.countTokens(piece, false)),
  ]);
  return {
    written: counts.reduce((sum, count) => sum + count, 0),
    markers: pieces.length - 1,
  };
}

/** The messages' own texts, in order. */
function ownTexts(request: Json): readonly string[] {
  return asArray(request['messages']).flatMap((message) => {
    const content = fieldOf(message, 'content');
    const texts = Array.isArray(content)
      ? asArray(content).map((part) =>
          fieldOf(part, 'type') === 'text' ? fieldOf(part, 'text') : null,
        )
      : [content];
    return texts.filter((each) => typeof each === 'string');
  });
}

function sumTokens(media: readonly Pick<PreparedMedia, 'tokens'>[]): MediaTokens | null {
  let sum: MediaTokens = { media: 0, wrapper: 0, confidence: 'exact' };
  for (const { tokens } of media) {
    if (tokens === null) return null;
    sum = {
      media: sum.media + tokens.media,
      wrapper: sum.wrapper + tokens.wrapper,
      confidence: weaker(sum.confidence, tokens.confidence),
    };
  }
  return sum;
}

function weaker(a: Confidence, b: Confidence): Confidence {
  return CONFIDENCES.indexOf(a) > CONFIDENCES.indexOf(b) ? a : b;
}
