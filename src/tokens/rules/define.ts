import type { z } from 'zod';
import { MmdeployError } from '../../errors.ts';
import type { TokenSettings } from '../settings.ts';

/** Pixels, after EXIF orientation. */
export type ImageSize = { readonly width: number; readonly height: number };

type TokenCount = {
  /** Tokens of the image itself; wrappers are added by the caller. */
  readonly tokens: number;
  /** Bounds, where the vendor's own documents disagree; both are `tokens` where left out. */
  readonly low?: number;
  readonly high?: number;
  /** How it came about, e.g. `69x39 cells of 28 px`. */
  readonly detail: string;
};

/** What the vision tower sees: the picture's size after preprocessing, and its tiles where it is cut. */
type ResizedImage = ImageSize & {
  readonly tiles?: {
    readonly columns: number;
    readonly rows: number;
    readonly thumbnail: boolean;
  };
  /** The part that the picture takes, where the rest is padding. */
  readonly content?: ImageSize;
};

/** A rule with its parameters checked once: cheap to ask about a million images. */
export type BoundTokenRule = {
  readonly id: string;
  /** Throws `input.invalid` for a size that is no picture, or that the processor itself refuses. */
  readonly count: (size: ImageSize, settings: TokenSettings) => TokenCount;
  readonly resize: (size: ImageSize, settings: TokenSettings) => ResizedImage;
};

export type TokenRule = {
  readonly id: string;
  readonly params: z.ZodType;
  /** Throws a ZodError when `params` do not fit the rule's schema. */
  readonly bind: (params: unknown) => BoundTokenRule;
};

type Definition<Id extends string, Schema extends z.ZodType> = {
  readonly id: Id;
  readonly params: Schema;
  readonly count: (
    size: ImageSize,
    params: z.output<Schema>,
    settings: TokenSettings,
  ) => TokenCount;
  readonly resize: (
    size: ImageSize,
    params: z.output<Schema>,
    settings: TokenSettings,
  ) => ResizedImage;
};

/**
 * One way of turning a picture's size into tokens. `count` and `resize` are one object so that the
 * estimate, the KV budget and the gateway's resizing cannot disagree about the same picture.
 */
export function defineTokenRule<const Id extends string, Schema extends z.ZodType>(
  rule: Definition<Id, Schema>,
) {
  return {
    id: rule.id,
    params: rule.params,
    bind: (input: unknown): BoundTokenRule => {
      const params = rule.params.parse(input);
      return {
        id: rule.id,
        count: (size, settings) => rule.count(checkSize(size), params, settings),
        resize: (size, settings) => rule.resize(checkSize(size), params, settings),
      };
    },
  };
}

/** Refuses sizes no picture can have: zero, negative, fractional or not a number. */
export function checkSize(size: ImageSize): ImageSize {
  const valid = [size.width, size.height].every(
    (side) => Number.isSafeInteger(side) && side > 0 && side <= MAX_SIDE,
  );
  if (valid) return size;
  throw new MmdeployError(
    'input.invalid',
    `\`${size.width}x${size.height}\` is not an image size: both sides are whole pixels, 1 to ${MAX_SIDE}`,
    { hints: ['give a size as `mmdeploy estimate --image 1920x1080`'] },
  );
}

/** Largest side of the formats that are read (WebP 14 bits, JPEG 16 bits, PNG 31 bits in theory). */
const MAX_SIDE = 1_000_000;
