import type { BoundTokenRule, ImageSize } from '../../tokens/rules/define.ts';
import type { TokenSettings } from '../../tokens/settings.ts';

/** How the served model counts and resizes images: the rule of estimate and plan, at the engine's settings. */
export type ImageRule = {
  readonly rule: Pick<BoundTokenRule, 'count' | 'resize'>;
  readonly settings: TokenSettings;
};

/** A smaller copy is made from so much less on: below, the engine's own resizing costs no more. */
const WORTH_IT = 0.9;
/** The model's own size, then a little above it: where rounding to patches or tiles needs more. */
const STEPS = [1, 1.01, 1.03, 1.06, 1.12, 1.25, 1.5, 2, 3];

/**
 * The size that a picture may be shrunk to without the model seeing anything else: the smallest one of
 * its own aspect ratio that covers what the rule resizes to and for which the rule gives the same answer
 * (tokens, size, tiles). The picture's own size where there is none; never larger.
 *
 * The aspect ratio is kept because engines differ in what they do with the rest (llama.cpp pads for some
 * families and stretches for others): whatever it is, it does the same with the smaller copy. Where the
 * rule knows what is picture and what is padding, the copy has the size of the picture, which the engine
 * takes as it is.
 */
export function shrunkSize(size: ImageSize, image: ImageRule | null): ImageSize {
  if (image === null) return size;
  const { rule, settings } = image;
  const wanted = rule.resize(size, settings);
  const answer = answerOf(size, image);
  const cover = Math.max(wanted.width / size.width, wanted.height / size.height);
  const copies = wanted.content
    ? [wanted.content]
    : STEPS.map((step) => scaled(size, cover * step));
  const copy = copies.find((smaller) => answerOf(smaller, image) === answer);
  return copy !== undefined && pixels(copy) <= WORTH_IT * pixels(size) ? copy : size;
}

function pixels({ width, height }: ImageSize): number {
  return width * height;
}

/** Rounded up: a copy that is a pixel short would be enlarged again. */
function scaled({ width, height }: ImageSize, scale: number): ImageSize {
  const side = (length: number) => Math.min(length, Math.max(1, Math.ceil(length * scale)));
  return { width: side(width), height: side(height) };
}

/** Everything that the rule says about a size; `detail` is in it, so other tiles are another answer. */
function answerOf(size: ImageSize, { rule, settings }: ImageRule): string {
  try {
    return JSON.stringify([rule.count(size, settings), rule.resize(size, settings)]);
  } catch {
    return `refused ${size.width}x${size.height}`;
  }
}
