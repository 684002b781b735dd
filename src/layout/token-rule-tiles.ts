import type { EncoderModel } from '../contracts/model.ts';
import { tokenLimits } from './encoder-limits.ts';
import { numberArray, optionalNumber } from './header-view.ts';
import type { HeaderView } from './header-view.ts';
import { IMAGE_START, NO_WRAPPER, around, fixedGrid } from './rule-of.ts';
import type { Rule } from './rule-of.ts';

/** One square, or for LLaVA-1.6 an overview and tiles in one of the grids that the file lists. */
export function llava(encoder: EncoderModel, header: HeaderView): Rule {
  const { imageSize, patchSize, merge } = encoder;
  const grids = listedGrids(encoder, header);
  if (grids.length === 0) return fixedGrid(encoder, NO_WRAPPER);
  return { rule: 'llava-uhd', params: { imageSize, patchSize, merge, grids }, wrapper: NO_WRAPPER };
}

/** Grids of at most 3 x 3 tiles, a single one left out (`set_llava_uhd_res_candidates`). */
export function llama4({ imageSize, patchSize, merge }: EncoderModel): Rule {
  const sides = [1, 2, 3];
  const grids = sides
    .flatMap((columns) => sides.map((rows) => ({ columns, rows })))
    .filter(({ columns, rows }) => columns * rows > 1);
  return {
    rule: 'llava-uhd',
    params: { imageSize, patchSize, merge, grids },
    wrapper: IMAGE_START,
  };
}

export function internvl({ imageSize, patchSize, merge }: EncoderModel, header: HeaderView): Rule {
  return {
    rule: 'internvl-effective',
    params: {
      imageSize,
      patchSize,
      merge,
      minTiles: optionalNumber(header, 'clip.vision.preproc_min_tiles') ?? 1,
      maxTiles: optionalNumber(header, 'clip.vision.preproc_max_tiles') ?? 12,
    },
    wrapper: around('<img>', '</img>'),
  };
}

/** Version 2 (MiniCPM-V 2.5) wraps its slices once more and has more queries; 3 and later agree. */
export function minicpmv({ imageSize, queries }: EncoderModel, header: HeaderView): Rule | null {
  const isFirst = optionalNumber(header, 'clip.minicpmv_version') === 2;
  const params = { sliceSize: imageSize, queries: queries ?? (isFirst ? 96 : 64) };
  return {
    rule: 'minicpm',
    params: isFirst ? { ...params, gridWrapper: 2 } : params,
    wrapper: around('<image>', '</image>'),
  };
}

/** Sides are whole squares of 4 x 4 patches, however many of them become one token. */
const MINICPM_STEP = 4;

export function minicpmv46({ imageSize, patchSize, merge }: EncoderModel): Rule {
  return {
    rule: 'minicpm-cells',
    params: { sliceSize: imageSize, cell: patchSize * merge, step: patchSize * MINICPM_STEP },
    // The image's number: one digit up to the tenth image of a request.
    wrapper: { begin: '<image_id>0</image_id><image>', end: '</image>', tokens: 5 },
  };
}

export function idefics3({ imageSize, patchSize, merge }: EncoderModel, header: HeaderView): Rule {
  const longestEdge = optionalNumber(header, 'clip.vision.preproc_image_size');
  return {
    rule: 'idefics',
    params: { tileSize: imageSize, patchSize, merge, ...(longestEdge && { longestEdge }) },
    wrapper: NO_WRAPPER,
  };
}

export function lfm2(encoder: EncoderModel): Rule | null {
  const { patchSize, merge } = encoder;
  const limits = tokenLimits(encoder);
  if (limits === null) return null;
  return {
    rule: 'lfm2',
    params: {
      factor: patchSize * merge,
      patchSize,
      minTokens: limits.least,
      maxTokens: limits.most,
      tileSize: 512,
      minTiles: 2,
      maxTiles: 10,
      tolerance: 2,
    },
    wrapper: IMAGE_START,
  };
}

export function deepseekOcr(_: EncoderModel, header: HeaderView): Rule {
  const side = { globalSide: 16, tileSize: 640, tileSide: 10, newlines: true };
  return ocr(side, header, 9);
}

export function deepseekOcr2(_: EncoderModel, header: HeaderView): Rule {
  const side = { globalSide: 16, tileSize: 768, tileSide: 12, newlines: false };
  return ocr(side, header, 6);
}

function ocr(side: Readonly<Record<string, unknown>>, header: HeaderView, most: number): Rule {
  return {
    rule: 'deepseek-ocr',
    params: {
      ...side,
      minTiles: optionalNumber(header, 'clip.vision.preproc_min_tiles') ?? 2,
      maxTiles: optionalNumber(header, 'clip.vision.preproc_max_tiles') ?? most,
    },
    wrapper: around('', '\n'),
  };
}

/** Grids of tiles in the order of the file: the first of equals wins. */
function listedGrids({ imageSize }: EncoderModel, header: HeaderView) {
  const pins = numberArray(header, 'clip.vision.image_grid_pinpoints') ?? [];
  return Array.from({ length: Math.floor(pins.length / 2) }, (_, index) => ({
    columns: Math.floor((pins[2 * index] ?? 0) / imageSize),
    rows: Math.floor((pins[2 * index + 1] ?? 0) / imageSize),
  }));
}

/** Windows of patches, each of which a resampler brings to fewer queries. */
export function granite4(encoder: EncoderModel, header: HeaderView): Rule | null {
  const { imageSize, patchSize } = encoder;
  const grids = listedGrids(encoder, header);
  const query = optionalNumber(header, 'clip.vision.projector.query_side');
  const window = optionalNumber(header, 'clip.vision.projector.window_side');
  if (grids.length === 0 || query === undefined || window === undefined || window < 1) return null;
  const tileSide = query * Math.floor(Math.floor(imageSize / patchSize) / window);
  if (tileSide < 1) return null;
  return {
    rule: 'anyres',
    params: { imageSize, patchSize, tileSide, arithmetic: 'c-float32', grids },
    wrapper: around('', '\n'),
  };
}

/** Side of Step3's crops, pixels, and what it shrinks longer pictures to where the file does not say. */
const STEP3 = { cropSize: 504, longestEdge: 3024 } as const;

export function step3({ imageSize, patchSize, merge }: EncoderModel, header: HeaderView): Rule {
  const longestEdge = optionalNumber(header, 'clip.vision.preproc_image_size');
  return {
    rule: 'window-crops',
    params: { imageSize, cell: patchSize * merge, ...STEP3, ...(longestEdge && { longestEdge }) },
    wrapper: around('<im_start>', '<im_end>'),
  };
}
