import { z } from 'zod';
import { MmdeployError } from '../../errors.ts';
import type { TokenSettings } from '../settings.ts';
import { defineTokenRule } from './define.ts';
import type { ImageSize } from './define.ts';

const level = z.strictObject({
  maxSide: z.int().positive().optional().describe('longer pictures are first shrunk to it, pixels'),
  maxPatches: z.int().positive().optional().describe('pictures of more patches are shrunk to it'),
});

const params = z.strictObject({
  multiplier: z.number().positive().describe('tokens of one patch'),
  low: level,
  high: level,
  original: level.optional().describe('left out where the model has no such detail'),
  auto: z
    .enum(['low', 'high', 'original'])
    .describe('what the vendor makes of `auto`, the default'),
});
type Params = z.output<typeof params>;
type Level = z.output<typeof level>;

const PATCH = 32;
/** Pictures of more patches are rejected (the same guide). */
const MOST_PATCHES = 30_000;

/**
 * OpenAI's patch models (GPT-4.1 mini and nano, o4-mini, GPT-5 mini and nano, GPT-5.2 and later): 32 px
 * patches up to a budget, times a multiplier, rounded up (developers.openai.com, guide "images and
 * vision": the steps are the same in all its editions, side, budget and multiplier are not).
 */
export const openaiPatch = defineTokenRule({
  id: 'openai-patch',
  params,
  count: (size, use, settings) => {
    const fitted = fitPatches(size, levelOf(use, settings));
    const columns = patches(fitted.width);
    const rows = patches(fitted.height);
    if (columns * rows > MOST_PATCHES) throw tooMany(size, columns * rows);
    return {
      tokens: Math.ceil(roundOff(columns * rows * use.multiplier)),
      detail: `${columns}x${rows} patches of ${PATCH} px x ${use.multiplier}`,
    };
  },
  resize: (size, use, settings) => fitPatches(size, levelOf(use, settings)),
});

function levelOf(use: Params, { detail }: TokenSettings): Level {
  const asked = detail === null || detail === 'auto' ? use.auto : detail;
  const found = use[asked];
  if (found !== undefined) return found;
  throw new MmdeployError('input.invalid', `\`--detail ${asked}\` is not a detail of this model`, {
    hints: ['use `mmdeploy estimate --detail low`, `high` or `auto`'],
  });
}

function fitPatches(size: ImageSize, { maxSide, maxPatches }: Level): ImageSize {
  const fitted = fitSide(size, maxSide);
  const { width, height } = fitted;
  if (maxPatches === undefined || patches(width) * patches(height) <= maxPatches) return fitted;
  const shrink = Math.sqrt((PATCH * PATCH * maxPatches) / (width * height));
  const across = (width * shrink) / PATCH;
  const down = (height * shrink) / PATCH;
  // A strip less than a patch high cannot be brought to whole patches that way: one stays.
  const whole = Math.min(atLeastOne(across) / across, atLeastOne(down) / down, 1);
  const side = (length: number) => Math.max(1, Math.floor(roundOff(length * shrink * whole)));
  return { width: side(width), height: side(height) };
}

function fitSide(size: ImageSize, maxSide: number | undefined): ImageSize {
  const longest = Math.max(size.width, size.height);
  if (maxSide === undefined || longest <= maxSide) return size;
  const side = (length: number) => Math.max(1, Math.round((length * maxSide) / longest));
  return { width: side(size.width), height: side(size.height) };
}

function patches(side: number): number {
  return Math.ceil(side / PATCH);
}

function atLeastOne(count: number): number {
  return Math.max(1, Math.floor(roundOff(count)));
}

/** 1056 must not come out as 1055.9999999999998, nor 1229 tokens as 1229.0000000000002. */
function roundOff(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

function tooMany({ width, height }: ImageSize, count: number): MmdeployError {
  return new MmdeployError(
    'input.invalid',
    `the API rejects ${width}x${height}: ${count} patches, at most ${MOST_PATCHES}`,
    { hints: ['shrink the picture, or count it with `mmdeploy estimate --detail high`'] },
  );
}
