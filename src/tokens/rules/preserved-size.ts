import { roundHalfAway, roundHalfEven } from '../../units.ts';
import type { ImageSize } from './define.ts';

/**
 * The same formula gives other results in each implementation: C rounds halves away from zero and
 * computes in float32, Python rounds halves to even, JavaScript rounds them up; the last two in float64.
 */
export const ARITHMETICS = {
  'c-float32': { round: roundHalfAway, store: Math.fround },
  python: { round: roundHalfEven, store: (value: number) => value },
  javascript: { round: Math.round, store: (value: number) => value },
} as const;

export type PreservedSizeOptions = {
  /** Both sides become whole multiples of it, pixels. */
  readonly align: number;
  /** 0: no such limit. */
  readonly minPixels: number;
  readonly maxPixels: number;
  /** The longer side is brought to it first, upwards too, and both are rounded up; 0: left as it is. */
  readonly longestEdge: number;
  readonly arithmetic: keyof typeof ARITHMETICS;
};

/**
 * Keeps the aspect ratio, aligns both sides and stays between two pixel counts. Mirrors
 * `calc_size_preserved_ratio` (llama.cpp b11118 tools/mtmd/mtmd-image.cpp) and, in the other arithmetics,
 * `smart_resize` (transformers, image_processing_qwen2_vl.py).
 */
export function preservedSize(size: ImageSize, options: PreservedSizeOptions): ImageSize {
  const { align, minPixels, maxPixels } = options;
  const { store } = ARITHMETICS[options.arithmetic];
  const both = (scale: (side: number) => number, to: (value: number) => number): ImageSize => {
    const aligned = (side: number) =>
      Math.max(align, to(store(store(scale(side)) / align)) * align);
    return { width: aligned(size.width), height: aligned(size.height) };
  };

  const first = firstSize(size, both, options);
  const pixels = first.width * first.height;
  const area = store(size.height * size.width);
  if (maxPixels > 0 && pixels > maxPixels) {
    const shrink = store(Math.sqrt(store(area / maxPixels)));
    return both((side) => side / shrink, Math.floor);
  }
  if (minPixels > 0 && pixels < minPixels) {
    const grow = store(Math.sqrt(store(minPixels / area)));
    return both((side) => side * grow, Math.ceil);
  }
  return first;
}

type Both = (scale: (side: number) => number, to: (value: number) => number) => ImageSize;

function firstSize(
  { width, height }: ImageSize,
  both: Both,
  { longestEdge, arithmetic }: PreservedSizeOptions,
): ImageSize {
  const { round, store } = ARITHMETICS[arithmetic];
  if (longestEdge === 0) return both((side) => side, round);
  const scale = Math.min(store(longestEdge / width), store(longestEdge / height));
  return both((side) => side * scale, Math.ceil);
}
