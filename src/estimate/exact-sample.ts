import type { EstimateInput } from '../contracts/estimate.ts';

/** Distinct inputs that the engine is asked about; further ones stay with the formula, and it is said. */
export const MOST_ASKED = 64;

/** Inputs that cost the same: of one size, one format and one way up, or of one length. */
export type SampledShape = {
  /** The first of them. */
  readonly input: EstimateInput;
  readonly count: number;
};

/** What is kept of a stream of inputs to ask the engine about; memory does not grow with the stream. */
export type ExactSample = {
  readonly add: (input: EstimateInput) => void;
  readonly shapes: () => readonly SampledShape[];
  /** Inputs whose shape came after `MOST_ASKED` others, and texts, which are not asked about. */
  readonly left: () => { readonly shapes: number; readonly texts: number };
};

/** Collects the first `MOST_ASKED` distinct shapes. */
export function exactSample(): ExactSample {
  const kept = new Map<string, SampledShape>();
  let shapes = 0;
  let texts = 0;
  return {
    add: (input) => {
      if (input.modality === 'text') {
        texts += input.count;
        return;
      }
      const key = shapeOf(input);
      const known = kept.get(key);
      if (known !== undefined) kept.set(key, { ...known, count: known.count + input.count });
      else if (kept.size < MOST_ASKED) kept.set(key, { input, count: input.count });
      else shapes += input.count;
    },
    shapes: () => [...kept.values()],
    left: () => ({ shapes, texts }),
  };
}

function shapeOf({ modality, width, height, turned, format, seconds }: EstimateInput): string {
  return modality === 'image'
    ? `image ${width}x${height} ${turned} ${format ?? ''}`
    : `${modality} ${seconds} ${width}x${height} ${format ?? ''}`;
}
