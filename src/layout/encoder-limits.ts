import type { EncoderModel } from '../contracts/model.ts';

/** Between how many tokens an image of a family may cost, and which square is reserved for at load. */
export type TokenLimits = {
  readonly least: number;
  readonly most: number;
  /** Side of the warm-up image, tokens. */
  readonly warmUpSide: number;
  /** The limits are the file's, and `--image-max-tokens` does not change them. */
  readonly fixed?: boolean;
};

const QWEN = { least: 8, most: 4096, warmUpSide: 46 } as const;
const PIXTRAL = { least: 8, most: 1024, warmUpSide: 16 } as const;
const GEMMA4 = { least: 70, most: 1120, warmUpSide: 16 } as const;

/** `set_limit_image_tokens` and `set_warmup_n_tokens` of each family (llama.cpp b11118, clip.cpp). */
const LIMITS: ReadonlyMap<string, TokenLimits> = new Map<string, TokenLimits>([
  ['deepseek4v', { least: 1, most: 384, warmUpSide: 16 }],
  ['gemma4uv', GEMMA4],
  ['gemma4v', GEMMA4],
  ['glm4v', QWEN],
  ['hunyuanvl', { least: 256, most: 16384, warmUpSide: 32 }],
  ['kimik25', { least: 2, most: 4096, warmUpSide: 64 }],
  ['kimivl', PIXTRAL],
  ['lfm2', { least: 64, most: 256, warmUpSide: 16 }],
  ['lightonocr', { least: 1, most: 3025, warmUpSide: 16 }],
  ['minimax_m3', { least: 8, most: 576, warmUpSide: 16 }],
  ['muse-glimmer', { least: 1, most: 4096, warmUpSide: 32 }],
  ['pixtral', PIXTRAL],
  ['qwen2.5vl_merger', QWEN],
  ['qwen2vl_merger', QWEN],
  ['qwen3vl_merger', QWEN],
  ['youtuvl', { least: 1, most: 62_500, warmUpSide: 16 }],
]);

/** Side of the warm-up image, tokens, of the projectors whose files say how many pixels an image may have. */
const WARM_UP_SIDES: ReadonlyMap<string, number> = new Map([
  ['dots3note_v', 46],
  ['dots_ocr', 46],
  ['exaone4_5', 46],
  ['hunyuanvl', 32],
  ['mimovl', 46],
  ['paddleocr', 28],
  ['phi4', 16],
]);

/** What the limits of an image follow from. */
type Limited = Pick<EncoderModel, 'projectorType' | 'patchSize' | 'merge' | 'pixels'>;

/** The limits of a projector whose images are sized by content; null for tiles and fixed squares. */
export function tokenLimits({
  projectorType,
  patchSize,
  merge,
  pixels,
}: Limited): TokenLimits | null {
  const known = LIMITS.get(projectorType) ?? null;
  const warmUpSide = WARM_UP_SIDES.get(projectorType);
  if (pixels === undefined || warmUpSide === undefined) return known;
  const cell = Math.max(patchSize * merge, 1) ** 2;
  return { least: pixels.least / cell, most: pixels.most / cell, warmUpSide, fixed: true };
}

/** Of so many blocks of Qwen2.5-VL the last attends to the whole picture (`clip.vision.n_wa_pattern`). */
export const QWEN25_WINDOW_PATTERN = 8;

/** Widths of Gemma 4 E2B and E4B, whose images are decoded like text. */
const CAUSAL_GEMMA4_WIDTHS: readonly number[] = [1536, 2560];

/** True where all tokens of an image see each other and share one micro-batch (`mtmd_decode_use_non_causal`). */
export function decodesImagesAtOnce(
  encoder: Pick<EncoderModel, 'projectorType' | 'projectionDim'>,
): boolean {
  const { projectorType, projectionDim } = encoder;
  if (projectorType === 'gemma4v') return !CAUSAL_GEMMA4_WIDTHS.includes(projectionDim);
  return projectorType === 'gemma3' || projectorType === 'gemma4uv';
}
